"""Selectors, objectives and mixers of other packages, joined by entry point, go through the same suites.

In a process that has them.
"""

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


OBJECTIVES = """
import torch
from winnow.training.objectives.registry import objective
from winnow.training.objectives.views import Loss

@objective("steeper", summary="Nats to the power of 1.5.", metrics=("above_start",), beside=("start",))
def steeper(models, batch, *, total_weight, options):
    nats = models.trained.of_targets(batch)
    with torch.no_grad():
        more = nats > models.beside["start"].of_targets(batch)
    return Loss(batch.weighed_sum(nats ** 1.5) / total_weight, {"above_start": (more.double().sum(), len(more))})

@objective("mean_of_means", summary="Means over micro-batches: depends on how a batch is cut.")
def mean_of_means(models, batch, *, total_weight, options):
    return Loss(models.trained.of_targets(batch).mean() * len(batch.rows) / total_weight)

@objective("cut_off", summary="A gradient that is not that of the loss.")
def cut_off(models, batch, *, total_weight, options):
    nats = models.trained.of_targets(batch)
    return Loss(batch.weighed_sum(nats * nats.detach()) / total_weight)
"""


MIXERS = """
from winnow.mixing.registry import mixer

@mixer("by_bytes", summary="Shares of the sources' bytes.")
def by_bytes(sources, *, tokens, options):
    return {source.name: source.bytes / sum(each.bytes for each in sources) for source in sources}

@mixer("first_half", summary="Half of all tokens from the first source: depends on their order.")
def first_half(sources, *, tokens, options):
    rest = max(len(sources) - 1, 1)
    return {source.name: 0.5 if place == 0 else 0.5 / rest for place, source in enumerate(sources)}
"""


@pytest.fixture
def installed(tmp_path):
    """A folder as pip leaves it, with a package of two selectors, three objectives and two mixers."""
    information = tmp_path / "stranger-1.0.dist-info"
    information.mkdir()
    (tmp_path / "stranger.py").write_text(MODULE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (tmp_path / "strange_objectives.py").write_text(OBJECTIVES)
    (tmp_path / "strange_mixers.py").write_text(MIXERS)
    points = "[winnow.selectors]\nstranger = stranger\n[winnow.objectives]\nstranger = strange_objectives\n"
    points += "[winnow.mixers]\nstranger = strange_mixers\n"
    (information / "entry_points.txt").write_text(points)
    return tmp_path


def results_of(suite, names, installed):
    """(PASSED or FAILED, test, case) of these parts in a suite, and what pytest said."""
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", f"tests/conformance/{suite}", "-rA", "-p", "no:cacheprovider"]
    command += ["-k", names]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    return re.findall(r"^(PASSED|FAILED) \S+?::(\w+)\[(.+?)\]", done.stdout, re.MULTILINE), done.stdout


def test_the_suite_passes_what_keeps_its_promises_and_fails_what_does_not(installed):
    results, said = results_of("test_selectors.py", "every_row_by_id or last_row_first", installed)
    failed = {(test, case.split("-")[-1]) for result, test, case in results if result == "FAILED"}
    passed = {test for result, test, case in results if result == "PASSED" and "every_row_by_id" in case}
    assert ("test_a_smaller_selection_is_a_prefix_of_a_larger_one", "last_row_first") in failed, said[-3000:]
    assert "every_row_by_id" not in {name for _, name in failed}
    assert len(passed) > 10 and "test_a_smaller_selection_is_a_prefix_of_a_larger_one" in passed


def test_the_suite_of_mixers_does_too(installed):
    results, said = results_of("test_mixers.py", "by_bytes or first_half", installed)
    names = {(result, test, name) for result, test, case in results for name in case.split("-")}
    failed = {(test, name) for result, test, name in names if result == "FAILED"}
    passed = {test for result, test, name in names if (result, name) == ("PASSED", "by_bytes")}
    assert "by_bytes" not in {name for _, name in failed}, said[-3000:]
    assert len(passed) == 8
    assert ("test_the_order_of_the_sources_does_not_matter", "first_half") in failed
    assert ("test_shares_lie_on_the_simplex", "first_half") in failed, "one source alone has all"


@pytest.mark.long
def test_the_suite_of_objectives_does_too(installed):
    results, said = results_of("test_objectives.py", "steeper or mean_of_means or cut_off", installed)
    names = {(result, test, name) for result, test, case in results for name in case.split("-")}
    failed = {(test, name) for result, test, name in names if result == "FAILED"}
    passed = {test for result, test, name in names if (result, name) == ("PASSED", "steeper")}
    assert "steeper" not in {name for _, name in failed}, said[-5000:]
    assert len(passed) == 8
    gradient = "test_the_gradient_is_that_of_the_loss_of_single_examples"
    assert {("test_micro_batches_and_packing_do_not_matter", "mean_of_means"), (gradient, "cut_off")} <= failed
    assert ("test_micro_batches_and_packing_do_not_matter", "cut_off") not in failed
