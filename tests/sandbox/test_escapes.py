"""The escape corpus: nothing escapes, nothing survives, and the host keeps working."""

import re
import secrets
import shutil
import sys
import time
from pathlib import Path

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
from winnow.sandbox.confinement import Limits
from winnow.sandbox.programs import Keeper

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="programs are confined on Linux only"),
    pytest.mark.usefixtures("confined"),
]

SECONDS = 1.5
WELL = {"program": "def f(): return 1", "tests": "assert f() == 1", "entry_point": "f", "context": "", "check": None}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.close()


@pytest.fixture(scope="module")
def keeper():
    keeper = Keeper(Limits(seconds=SECONDS))
    keeper.start()
    yield keeper
    keeper.close()


def ran(keeper, host, program, tests):
    """The verdict on a program, once nothing of it is left and the next one has passed."""
    found = keeper.run({**WELL, "program": host.written(program), "tests": tests})
    assert host.touched() == []
    assert survivors(keeper.scratch) == []
    assert list(keeper.scratch.iterdir()) == []
    assert keeper.run(WELL)["outcome"] == "passed"
    return found


@pytest.mark.parametrize("name", CLAIMS)
def test_nothing_is_reached(name, keeper, host):
    found = ran(keeper, host, CLAIMS[name], CLAIMED_TESTS)
    assert found["outcome"] in ("failed", "error"), found


@pytest.mark.parametrize("tests", [FORGED_TESTS, LOOPED_TESTS], ids=["plain", "looped"])
@pytest.mark.parametrize("name", FORGERIES)
def test_nothing_passes_that_does_not(name, tests, keeper, host):
    found = ran(keeper, host, FORGERIES[name], tests.format(answer=secrets.token_hex(8)))
    assert found["reason"].isprintable()
    assert found["outcome"] in ("failed", "error", "unsupported", "timeout", "memory"), found


@pytest.mark.parametrize("name", EXHAUSTING)
def test_nothing_is_used_up(name, keeper, host):
    free, started = shutil.disk_usage("/tmp").free, time.monotonic()
    found = ran(keeper, host, EXHAUSTING[name], "assert f() == 'done'")
    assert found["outcome"] != "passed"
    assert len(found["output"]) <= Limits.output_bytes
    assert time.monotonic() - started < SECONDS + 10
    assert free - shutil.disk_usage("/tmp").free < 1 << 30


def test_exhaustion_is_told_apart(keeper):
    expected = {"4 GB": "memory", "endless output": "output", "endless loop": "timeout", "full disk": "failed"}
    got = {name: keeper.run({**WELL, "program": EXHAUSTING[name]})["outcome"] for name in expected}
    assert got == expected


def test_the_page_counts_the_corpus():
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    told = {kind: int(number) for kind, number in re.findall(r"^\| (\w+): .* \| (\d+) \|$", page, re.MULTILINE)}
    assert told == {kind: len(programs(kind)) for kind in told}
    assert sum(told.values()) == len(CLAIMS) + len(EXHAUSTING) + len(FORGERIES)
