"""Which layers of confinement hold on this machine: tried, not read from a version number."""

import json
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

from winnow.sandbox.confinement import Limits, Python, confine, enter_namespaces


def active_layers(layers: tuple[str, ...], limits: Limits, tree: Python, work: str, *, is_init: bool) -> dict[str, str]:
    """Each of these layers with "" where it holds, else with the reason why it does not.

    Every layer is tried alone, in a process of its own that does what the layer has to prevent.
    """
    return {
        layer: ("" if is_init else "not the first process of a namespace")
        if layer == "namespaces"
        else _tried(layer, limits, tree, work)
        for layer in layers
    }


def cannot_enter_namespaces() -> str:
    """Why this process cannot have namespaces of its own; "" where it can.

    Tried in a fork: a process that got there half-way could not go back.
    """
    return _in_fork(enter_namespaces)


def _tried(layer: str, limits: Limits, tree: Python, work: str) -> str:
    def trial() -> str:
        confine((layer,), limits, tree, work)
        return TRIALS[layer](limits)

    return _in_fork(trial)


def _in_fork(trial: Callable[[], str | None]) -> str:
    """What a trial says in a process of its own, or the error of the system that ends it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        reason = "does not hold"
        try:
            reason = trial() or ""
        except OSError as error:
            reason = error.strerror or str(error)
        finally:
            os.write(write, json.dumps(reason).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as answer:
        reason = json.loads(answer.read() or '"the trial ended"')
    os.waitpid(child, 0)
    return str(reason)


def _try_rlimits(limits: Limits) -> str:
    try:
        bytearray(2 * limits.memory_bytes)
    except MemoryError:
        cores = resource.getrlimit(resource.RLIMIT_CORE)
        return "" if cores == (0, 0) else "core dumps are not limited"
    return "memory is not limited"


def _try_landlock(limits: Limits) -> str:
    Path("allowed").write_text("")
    Path("allowed").unlink()
    for name, act in (("a file outside was read", "/etc/passwd"), ("a folder outside was listed", "/")):
        try:
            os.close(os.open(act, os.O_RDONLY))
        except PermissionError:
            continue
        return name
    return ""


def _try_seccomp(limits: Limits) -> str:
    try:
        socket.socket(socket.AF_UNIX).close()
    except PermissionError:
        return _try_fork()
    return "a socket was made"


def _try_fork() -> str:
    try:
        child = os.fork()
    except PermissionError:
        return ""
    if child == 0:
        os._exit(0)
    return "a process was started"


TRIALS = {"rlimits": _try_rlimits, "landlock": _try_landlock, "seccomp": _try_seccomp}
