"""The keeper: a process that runs one program after the other, each with its judge, and lets none outlive its time.

It talks in lines of JSON: its first line says which layers of confinement hold here; then a line comes back for each
line that it is given. It ends when its input does, and removes its folder. Where the host allows namespaces it is the
first process of its own, so that one call ends all others, and the kernel ends them all with it; elsewhere it is their
subreaper.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winnow.sandbox import work_folder
from winnow.sandbox.confinement import LAYERS, Limits, Python, become_subreaper, confine, enter_namespaces, python
from winnow.sandbox.inside import ANSWERS, REQUESTS
from winnow.sandbox.judge import judge
from winnow.sandbox.self_test import active_layers, cannot_enter_namespaces

VERDICT = 5
"""The judge's descriptor to its keeper, beside those of its program."""
THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Libraries start no threads, which they may not."""
LOOK_EVERY_SECONDS = 0.05
"""How often the use of the working folder is looked at, where the kernel does not bound it."""


@dataclass(frozen=True)
class Setting:
    """What stays the same for all programs of a keeper."""

    limits: Limits
    layers: tuple[str, ...]
    tree: Python
    scratch: Path
    code: str
    is_init: bool
    has_mounts: bool


def main() -> None:
    """Serve until the input ends; the one argument is JSON: `limits`, `layers`, `packages`, `scratch`."""
    asked = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    why_not = cannot_enter_namespaces() if "namespaces" in asked["layers"] else ""
    if "namespaces" in asked["layers"] and not why_not:
        enter_namespaces()
        _be_first_process()
    become_subreaper()
    try:
        serve(asked, why_not)
    finally:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            work_folder.remove(Path(asked["scratch"]))


def serve(asked: dict[str, Any], why_not: str) -> None:
    """Say which layers hold, then answer each request."""
    limits, scratch = Limits(**asked["limits"]), Path(asked["scratch"])
    tree, is_init = python(packages=asked["packages"]), os.getpid() == 1
    has_mounts = is_init and work_folder.can_mount(scratch, limits.disk_bytes)
    layers = tuple(layer for layer in LAYERS if layer in asked["layers"])
    found = active_layers(layers, limits, tree, str(scratch), is_init=is_init)
    if why_not:
        found["namespaces"] = why_not
    held = tuple(layer for layer, reason in found.items() if not reason)
    setting = Setting(limits, held, tree, scratch, _code(), is_init, has_mounts)
    print(json.dumps(found), flush=True)
    for line in sys.stdin.buffer:
        print(json.dumps(run(json.loads(line), setting)), flush=True)


def run(request: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """Run one program with its judge, end all that is left of them, and say what came of it."""
    started = time.monotonic()
    with work_folder.fresh(setting.scratch, setting.limits.disk_bytes, mounted=setting.has_mounts) as work:
        watched = _start(request, setting, str(work))
        ended, verdict, output = _watch(watched, setting, work, started)
        end_all(is_init=setting.is_init)
        output += _rest(watched.output)
        os.close(watched.verdict)
        os.close(watched.output)
    printed = output[: setting.limits.output_bytes].decode("utf-8", "replace")
    return {**_verdict(ended, verdict), "output": printed, "seconds": time.monotonic() - started}


@dataclass(frozen=True)
class Watched:
    """The pipes that bring a judge's verdict and what its program prints."""

    verdict: int
    output: int


def _start(request: dict[str, Any], setting: Setting, work: str) -> Watched:
    asked, to_program = os.pipe()
    from_program, answered = os.pipe()
    verdict, judged = os.pipe()
    output, printed = os.pipe()
    if os.fork() == 0:
        _become(setting, work, {1: printed, 2: printed, REQUESTS: asked, ANSWERS: answered}, None)
    if os.fork() == 0:
        _become(setting, work, {REQUESTS: to_program, ANSWERS: from_program, VERDICT: judged}, request)
    for descriptor in (asked, to_program, from_program, answered, judged, printed):
        os.close(descriptor)
    return Watched(verdict, output)


def _become(setting: Setting, work: str, descriptors: dict[int, int], request: dict[str, Any] | None) -> None:
    """In a fork: become the judge of a request, or the program's interpreter. Never returns."""
    try:
        _keep_only(descriptors)
        confine(setting.layers, setting.limits, setting.tree, work)
        if request is None:
            environment = {**os.environ, **THREADS, "HOME": work, "TMPDIR": work}
            tree = setting.tree
            os.execve(tree.executable, [tree.executable, *tree.options, "-c", setting.code], environment)
        with os.fdopen(REQUESTS, "w") as requests, os.fdopen(ANSWERS) as answers, os.fdopen(VERDICT, "w") as verdict:
            json.dump(judge(request or {}, requests, answers), verdict)
    finally:
        os._exit(1)


def _keep_only(descriptors: dict[int, int]) -> None:
    """Keep these descriptors, under these numbers, and no others; 0 to 2 lead nowhere unless they are given."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    wanted = dict.fromkeys((0, 1, 2), nowhere) | descriptors
    above = max(wanted) + 1
    high = {number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for number, descriptor in wanted.items()}
    for number, copy in high.items():
        os.dup2(copy, number)
    os.closerange(above, os.sysconf("SC_OPEN_MAX"))


def _watch(watched: Watched, setting: Setting, work: Path, started: float) -> tuple[str, bytes, bytes]:
    """Wait for the verdict; what ended the waiting (verdict, timeout, output or disk), the verdict, the output."""
    limits, deadline = setting.limits, started + setting.limits.seconds
    poll, read = select.poll(), {watched.verdict: bytearray(), watched.output: bytearray()}
    for descriptor in (*read, 0):
        poll.register(descriptor, select.POLLIN if descriptor else 0)
    while (left := deadline - time.monotonic()) > 0:
        wait = left if setting.has_mounts else min(left, LOOK_EVERY_SECONDS)
        for descriptor, _ in poll.poll(1000 * wait + 1):
            if descriptor == 0:
                end_all(is_init=setting.is_init)
                raise SystemExit(0)  # by way of the folder's own end
            chunk = os.read(descriptor, 1 << 16)
            read[descriptor] += chunk
            if not chunk:
                poll.unregister(descriptor)
                if descriptor == watched.verdict:
                    return "verdict", bytes(read[watched.verdict]), bytes(read[watched.output])
        if max(map(len, read.values())) > limits.output_bytes:
            return "output", b"", bytes(read[watched.output])
        if not setting.has_mounts and work_folder.used_bytes(work, limits.disk_bytes) > limits.disk_bytes:
            return "disk", b"", bytes(read[watched.output])
    return "timeout", b"", bytes(read[watched.output])


def _rest(pipe: int) -> bytes:
    """What is left in a pipe that nobody writes to any more."""
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(pipe, 1 << 16)
    return b""


def end_all(*, is_init: bool) -> None:
    """End every process that descends from this one, also those that started a session of their own."""
    while True:
        for process in [-1] if is_init else _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _verdict(ended: str, verdict: bytes) -> dict[str, Any]:
    if ended == "timeout":
        return {"outcome": "timeout", "reason": "out of time"}
    if ended != "verdict":
        return {"outcome": ended, "reason": f"more {ended} than allowed"}
    try:
        found = dict(json.loads(verdict))
        return {**found, "reason": _printable(str(found["reason"]))}
    except (ValueError, KeyError, TypeError):
        return {"outcome": "error", "reason": "the judge ended without a verdict"}


def _printable(text: str) -> str:
    """The text on one line, without what only a program could have put there: half characters, control characters."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _be_first_process() -> None:
    """Fork: the child, first process of the new namespace, goes on; this one waits for it and leaves with it."""
    child = os.fork()
    if child:
        os.close(0)
        os.close(1)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _code() -> str:
    """What a program's interpreter runs: two files of this folder as one text.

    Without what they import from each other, and from `typing`, which takes milliseconds of every start.
    """
    here = Path(__file__).parent
    text = "".join((here / name).read_text(encoding="utf-8") for name in ("plain.py", "inside.py"))
    lines = [line for line in text.splitlines() if not line.startswith(("from typing import", "from winnow."))]
    return "\n".join(["from __future__ import annotations", *lines])


if __name__ == "__main__":
    main()
