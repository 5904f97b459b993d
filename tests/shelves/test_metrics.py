import subprocess

import pytest

from tests_support import ROOT
from winnow.metrics import ALWAYS, COSTS, METRICS, Metric, direction, metric_named, share


@pytest.mark.parametrize("name", [*METRICS, *COSTS])
def test_every_metric_says_what_is_needed_to_compare_and_print_it(name):
    metric = metric_named(name)
    assert metric.name == name and metric.sign == (1 if metric.higher_is_better else -1)
    assert not set(metric.unit) - set("abcdefghijklmnopqrstuvwxyzFLOPs"), "one word, which column names carry"
    assert (metric.scale, metric.unit, metric.level_unit) == (100, "points", "%") or not metric.is_share


def test_a_filter_does_not_change_what_a_metric_is():
    assert metric_named("exact_match,strict-match") == METRICS["exact_match"]
    assert metric_named("length", {"length": Metric("length", higher_is_better=False)}).sign == -1
    with pytest.raises(KeyError):
        metric_named("length")


def test_titles_and_bounds():
    assert METRICS["loss"].title == "loss (nats per target token)"
    assert share("digit_error").title == "digit error (%)"
    assert (share("acc").within(1.2), METRICS["loss"].within(1.2)) == (1.0, 1.2)


def test_what_is_known_goes_before_what_a_name_says():
    assert direction("strict_exact_match") is True and direction("forgetting") is False
    assert direction("tokens") is None, "of numbers that others measured, more may be better"


def test_which_way_is_better_stands_in_one_place():
    found = subprocess.run(
        ["git", "grep", "-nE", r'== "(loss|exact_match|perplexity)"|"(loss|exact_match)": (True|False)', "--", "src"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    places = {line.partition(":")[0] for line in found.splitlines()}
    assert places <= {
        "src/winnow/analysis/item_records.py",  # what old item files have columns for
        "src/winnow/selection/represent.py", "src/winnow/verbs/plan.py", "src/winnow/selection/losses.py",
    }, found  # fmt: skip
    assert ALWAYS == ("loss", "exact_match")
