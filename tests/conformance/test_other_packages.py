"""Selectors of other packages, joined by entry point, go through the same suite: in a process that has them."""

import os
import re
import subprocess
import sys

import pytest

from tests_support import ROOT

pytestmark = pytest.mark.slow

MODULE = """
import numpy as np
from winnow.selection.registry import selector

@selector("every_row_by_id", summary="The first rows by id.")
def by_id(pool, *, size, seen, options, rng):
    return np.arange(size)

@selector("last_row_first", summary="The first rows by id, turned round: not nested.")
def turned(pool, *, size, seen, options, rng):
    return np.arange(size)[::-1]
"""


@pytest.fixture
def installed(tmp_path):
    """A folder as pip leaves it, with a package of two selectors."""
    information = tmp_path / "stranger-1.0.dist-info"
    information.mkdir()
    (tmp_path / "stranger.py").write_text(MODULE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[winnow.selectors]\nstranger = stranger\n")
    return tmp_path


def test_the_suite_passes_what_keeps_its_promises_and_fails_what_does_not(installed):
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "tests/conformance/test_selectors.py", "-rA", "-p", "no:cacheprovider"]
    command += ["-k", "every_row_by_id or last_row_first"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    results = re.findall(r"^(PASSED|FAILED) \S+::(\w+)\[(\S+)\]", done.stdout, re.MULTILINE)
    failed = {(test, case.split("-")[-1]) for result, test, case in results if result == "FAILED"}
    passed = {test for result, test, case in results if result == "PASSED" and "every_row_by_id" in case}
    assert ("test_a_smaller_selection_is_a_prefix_of_a_larger_one", "last_row_first") in failed, done.stdout[-3000:]
    assert "every_row_by_id" not in {name for _, name in failed}
    assert len(passed) > 10 and "test_a_smaller_selection_is_a_prefix_of_a_larger_one" in passed
