"""Programs that a model wrote in full Python, against unit tests, confined to a fresh interpreter each.

    submission = Submission(program="def double(x): return 2 * x", tests="assert double(2) == 4", entry_point="double")
    for verdict in run_tests([submission]):
        print(verdict.outcome, verdict.reason, verdict.layers)

The program runs in one process and its tests in another (`judge.py`), under the layers of `confinement.py`, kept by a
third that lets nothing outlive its time (`keeper.py`). It reduces what a program can reach; it is no boundary against
a determined attacker, who shares the kernel with it: see docs/sandbox.md.
"""

import json
import os
import queue
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from winnow.errors import SandboxError
from winnow.sandbox import work_folder
from winnow.sandbox.confinement import LAYERS, REQUIRED, Limits
from winnow.sandbox.ordered import in_order, num_cores

Outcome = Literal["passed", "failed", "error", "timeout", "memory", "output", "disk", "unsupported"]
"""`failed`: a test does; `error`: the program does not load, or ends before its tests; `output`, `disk`: it printed or
wrote more than allowed; `unsupported`: its tests need more than calls of its functions with plain data."""

START = "import sys; sys.path[:0] = [{root!r}]; from winnow.sandbox.keeper import main; main()"
GRACE_SECONDS = 30.0
"""How long a keeper may take to answer after a program's time is up."""
CLOSING_SECONDS = 5.0
ENVIRONMENT_KEPT = ("LD_LIBRARY_PATH",)
"""Variables of this process that its keepers have too, with their programs: where some machines keep libpython."""


@dataclass(frozen=True)
class Submission:
    """A program with the tests that judge it."""

    program: str
    """All of it, with the prompt that it continues."""
    tests: str
    """Run in the judge, where `entry_point` and the program's other functions can be called."""
    entry_point: str
    context: str = ""
    """Run before the tests: what of the prompt they use, such as helper functions, which the program cannot replace."""
    check: str | None = None
    """A function of the tests that is given the entry point."""


@dataclass(frozen=True)
class Verdict:
    """What the tests say of a program, and under which layers of confinement it ran."""

    outcome: Outcome
    reason: str
    output: str
    """What the program printed."""
    seconds: float
    layers: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether all tests passed."""
        return self.outcome == "passed"


def of_humaneval(problem: Mapping[str, Any], completion: str) -> Submission:
    """A completion of a problem with HumanEval's fields: `prompt`, `entry_point`, `test`."""
    return Submission(
        program=problem["prompt"] + completion,
        tests=problem["test"],
        entry_point=problem["entry_point"],
        context=problem["prompt"],
        check="check",
    )


def run_tests(
    submissions: Iterable[Submission],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    packages: bool = False,
    let_programs_reach_this_machine: bool = False,
) -> Iterator[Verdict]:
    """A verdict for each submission, in their order; reads only little ahead.

    Programs have the standard library, with `packages` also what is installed beside winnow. `workers` are programs
    run side by side, by default one per core. Raises SandboxError where a required layer of confinement is missing
    on this machine, unless `let_programs_reach_this_machine`.
    """
    requests = (
        {
            "program": one.program, "tests": one.tests, "entry_point": one.entry_point, "context": one.context,
            "check": one.check,
        }
        for one in submissions
    )  # fmt: skip
    for found, layers in run_confined(
        requests, limits=limits or Limits(), workers=workers, packages=packages, risk=let_programs_reach_this_machine
    ):
        yield Verdict(found["outcome"], found["reason"], found["output"], found["seconds"], layers)


def run_confined(
    requests: Iterable[dict[str, Any]], *, limits: Limits, workers: int | None, packages: bool, risk: bool
) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """What keepers answer to these requests, in their order, and the layers that held."""
    workers = workers or num_cores()
    free: queue.SimpleQueue[Keeper] = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(workers):
            keeper = Keeper(limits, packages=packages)
            stack.callback(keeper.close)
            keeper.start(risk=risk)
            free.put(keeper)

        def run(request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
            keeper = free.get()
            try:
                return keeper.run(request), keeper.held
            finally:
                free.put(keeper)

        yield from in_order(run, requests, workers)


class Keeper:
    """This side of a keeper's process."""

    def __init__(self, limits: Limits, *, packages: bool = False, layers: tuple[str, ...] = LAYERS) -> None:
        self._limits, self._packages, self._layers = limits, packages, layers
        self.scratch: Path | None = None
        self._lock = -1
        self._process: subprocess.Popen[bytes] | None = None
        self.found: dict[str, str] = {}
        """Layer: "" where it holds, else why it does not."""

    @property
    def held(self) -> tuple[str, ...]:
        """The layers that hold."""
        return tuple(layer for layer, reason in self.found.items() if not reason)

    def start(self, *, risk: bool = False) -> None:
        """Start the process and let it try its layers. Raises SandboxError where a required one is missing."""
        if sys.platform != "linux":
            raise SandboxError(f"programs are confined on Linux only, and this is {sys.platform}; use a Linux machine")
        work_folder.clear_leftovers()
        self.scratch, self._lock = work_folder.make_scratch()
        asked = {
            "limits": asdict(self._limits), "layers": self._layers, "packages": self._packages,
            "scratch": str(self.scratch),
        }  # fmt: skip
        command = [sys.executable, "-I", "-c", START.format(root=str(Path(__file__).parents[2])), json.dumps(asked)]
        kept = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **kept},
        )  # fmt: skip
        answer = self._read(GRACE_SECONDS)
        if answer is None:
            raise SandboxError("the process that keeps programs confined did not start; its own error stands above")
        self.found = answer
        if not risk:
            require(self.found)

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """What became of one program. A keeper that ends with its program is replaced."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._read(self._limits.seconds + GRACE_SECONDS)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.close()
            self.start(risk=True)
            return {"outcome": "error", "reason": "its keeper ended", "output": "", "seconds": self._limits.seconds}
        return answer

    def close(self) -> None:
        """End the process, with all that it keeps, and remove its folder."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            try:
                self._process.wait(CLOSING_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self.scratch is not None:
            work_folder.remove(self.scratch)
            os.close(self._lock)
            self.scratch = None

    def _read(self, seconds: float) -> dict[str, Any] | None:
        """The next line of the process; None where it ended or does not answer in time."""
        assert self._process is not None and self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None


def examine() -> dict[str, str]:
    """Each layer of confinement, with "" where it holds on this machine and else the reason why it does not."""
    keeper = Keeper(Limits())
    try:
        keeper.start(risk=True)
        return keeper.found
    finally:
        keeper.close()


def require(found: Mapping[str, str]) -> None:
    """Refuse to go on where a required layer does not hold. Raises SandboxError."""
    missing = [f"{layer} ({found.get(layer, 'left out')})" for layer in REQUIRED if found.get(layer, "left out")]
    if missing:
        raise SandboxError(
            f"programs cannot be confined here: {', '.join(missing)} does not hold; use a machine whose kernel has "
            "Landlock and seccomp (Linux 5.13 or newer), or let programs that a model wrote reach the files and the "
            "network of this machine: let_programs_reach_this_machine=True"
        )
