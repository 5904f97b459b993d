"""The escape corpus again with layers taken away: each layer holds without the others."""

import secrets
import sys

import pytest

from escapes import (
    CLAIMED_TESTS,
    CLAIMS,
    EXHAUSTING,
    FORGED_TESTS,
    FORGERIES,
    LOOPED_TESTS,
    Host,
    programs,
    survivors,
)
from winnow.sandbox.confinement import REQUIRED, Limits
from winnow.sandbox.programs import Keeper

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="programs are confined on Linux only"),
    pytest.mark.usefixtures("confined"),
]

WELL = {"program": "def f(): return 1", "tests": "assert f() == 1", "entry_point": "f", "context": "", "check": None}
OUTLIVING = """
import os, time
def f():
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
    return 1
"""
WATCHING = {
    "attribute of a file", "names of attributes", "names of attributes of a link", "watch a folder", "watch a file",
    "watch a mount", "signal from a folder", "file by handle", "room on the disk", "pages that others have read",
    "pages without waiting",
}  # fmt: skip
"""What Landlock does not see."""
LANDLOCK_STOPS = set(programs("reading")) - {"process_vm_readv", "inherited descriptors"} - WATCHING
LANDLOCK_STOPS |= {"write", "append", "new file beside", "new folder beside", "remove", "rename", "shared memory file"}
SECCOMP_STOPS = set(programs("talking", "processes", "kernel")) - {"capabilities", "raise own limits", "execve"}
SECCOMP_STOPS |= {"truncate", "chmod", "chown", "touch", "attribute", "System V segment", "message queue"} | WATCHING
SECCOMP_STOPS |= {
    "attribute of an open file", "flags of a file", "hint about a file", "lock of a file", "drop a file from memory",
    "write out all disks", "semaphores", "System V queue",
}  # fmt: skip
REACHES = set(programs("reading", "talking")) - {
    "keeper's environment",  # the keeper has capabilities that its programs lack
    "process_vm_readv",
    "inherited descriptors",  # closed without any layer
    "watch a mount",  # root's alone
    "attribute of an open file",  # not through a descriptor that only names it
    "pages without waiting",  # kernels and file systems differ
}
REACHES |= {"write", "append", "truncate", "chmod", "touch", "cut while reading", "shell", "double fork", "thread"}
REACHES |= {
    "lease", "lock of a file", "drop a file from memory", "write out all disks", "clock of a neighbour",
    "session of a neighbour", "group of a neighbour", "cores of a neighbour", "priority of a neighbour",
    "schedule of a neighbour", "handle of a neighbour", "wait by signal descriptor", "signals from a pipe",
    "memory without a file", "size of a pipe", "asynchronous I/O", "barrier on all processors",
}  # fmt: skip


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.close()


@pytest.fixture
def run():
    """Runs one program under some layers alone; the verdict."""
    opened = []

    def run(layers, program, tests="assert f() == 1", seconds=5.0):
        keeper = Keeper(Limits(seconds=seconds), layers=layers)
        opened.append(keeper)
        keeper.start(risk=True)
        assert keeper.held == layers
        found = keeper.run({**WELL, "program": program, "tests": tests})
        assert survivors(keeper.scratch) == []
        assert list(keeper.scratch.iterdir()) == []
        assert keeper.run(WELL)["outcome"] == "passed"
        return found["outcome"]

    yield run
    for keeper in opened:
        keeper.close()


@pytest.mark.parametrize("name", sorted(REACHES))
def test_the_corpus_gets_there_where_nothing_holds_it(name, run, host):
    assert run((), host.written(CLAIMS[name]), CLAIMED_TESTS) == "passed"


@pytest.mark.parametrize("name", CLAIMS)
def test_nothing_is_reached_without_namespaces(name, run, host):
    assert run(REQUIRED, host.written(CLAIMS[name]), CLAIMED_TESTS) in ("failed", "error")
    assert host.touched() == []


@pytest.mark.parametrize("name", EXHAUSTING)
def test_nothing_is_used_up_without_namespaces(name, run):
    assert run(REQUIRED, EXHAUSTING[name], "assert f() == 'done'", 2.0) != "passed"


@pytest.mark.parametrize("layers", [(), REQUIRED, ("rlimits",)])
def test_nothing_is_forged_under_any_layers(layers, run):
    for name, program in FORGERIES.items():
        for tests in (FORGED_TESTS, LOOPED_TESTS):
            assert run(layers, program, tests.format(answer=secrets.token_hex(8))) != "passed", name


@pytest.mark.parametrize("name", sorted(LANDLOCK_STOPS))
def test_landlock_alone_keeps_files(name, run, host):
    assert run(("landlock",), host.written(CLAIMS[name]), CLAIMED_TESTS) in ("failed", "error")
    assert host.touched() == []


@pytest.mark.parametrize("name", sorted(SECCOMP_STOPS))
def test_seccomp_alone_keeps_the_kernel(name, run, host):
    assert run(("seccomp",), host.written(CLAIMS[name]), CLAIMED_TESTS) in ("failed", "error")
    assert host.touched() == []


@pytest.mark.parametrize("layers", [(), ("namespaces",)])
def test_what_may_start_processes_leaves_none(layers, run):
    assert run(layers, OUTLIVING, "assert f() == 1") == "passed"
