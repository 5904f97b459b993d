import json

import numpy as np
import pytest
from study_factory import FEATURES, write_study

from winnow.analysis.arms import arm_facts
from winnow.analysis.equal_compute import Compute, at_equal_flops, compute_of, equal_flops
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import load
from winnow.records import Cost

SEEDS = 0, 1, 2


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load(write_study(tmp_path_factory.mktemp("study") / "s", seeds=SEEDS))


def brute_loss(study, arm, seed, budget):
    """From the JSON alone: of all points up to the budget, one interpolated at it, that with the lowest validation."""
    suffix = "" if seed == 0 else f"_s{seed}"
    rows = json.loads((study.folder / f"training_records.{arm}{suffix}.json").read_text())["evaluations"]
    spent = 1e11 + (FEATURES.flops if arm.startswith("herding") else 0.0)
    flops = np.array([row["flops"] + spent for row in rows])
    kept = [
        (row["validation"]["loss"], row["micro"]["loss"]) for row, at in zip(rows, flops, strict=True) if at <= budget
    ]
    columns = [[row["validation"]["loss"] for row in rows], [row["micro"]["loss"] for row in rows]]
    kept.append(tuple(float(np.interp(budget, flops, column)) for column in columns))
    return min(kept)[1]


def test_the_comparison_at_equal_flops_is_recomputable_from_the_records(study):
    """Herding ends at 400 steps of 3.2e12 FLOPs and its selection; full goes on to 400 steps of 4e12."""
    budget = 400 * 3.2e12 + FEATURES.flops + 1e11
    found = at_equal_flops(study, "herding_0.25", "full")
    assert found.flops == pytest.approx(budget)
    gains = [brute_loss(study, "full", s, budget) - brute_loss(study, "herding_0.25", s, budget) for s in SEEDS]
    expected, gain = mean_interval(gains), found.comparison.gain
    assert (gain.mean, gain.low, gain.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert found.comparison.kind == "better" and expected.low > 0


def test_ratios_are_of_what_was_spent(study):
    assert compute_of(study, "random_0.25", "full") == Compute(
        pytest.approx(0.8), pytest.approx(1281.0 / 1600.1, rel=1e-3), pytest.approx(1281.0 / 1600.1, rel=1e-3)
    )
    assert compute_of(study, "nobody", "full") is None


@pytest.mark.parametrize(("training", "whole", "equal"), [
    (1.0, 1.0, True), (1.019, 0.981, True), (1.0, 1.03, False), (0.97, 1.0, False),
])  # fmt: skip
def test_compute_is_equal_within_two_percent_with_the_selection_too(training, whole, equal):
    assert Compute(training, whole, 1.0).is_equal is equal


def test_the_table_has_the_arms_of_other_compute_and_corrects_for_them(study):
    rows = equal_flops(study, arm_facts(study), "full").rows
    assert [row["arm"] for row in rows] == ["herding_0.25", "random_0.25", "equal_shares_0.25"]
    assert {row["corrected_for"] for row in rows} == {3}
    alone = at_equal_flops(study, "herding_0.25", "full").comparison.gain
    assert rows[0]["gain_nats"] == pytest.approx(alone.mean) and rows[0]["gain_nats_low"] < alone.low
    assert equal_flops(study, [arm for arm in arm_facts(study) if arm.name == "full"], "full").rows == ()


def test_a_selection_that_takes_the_whole_budget_has_no_gain(tmp_path):
    study = load(write_study(tmp_path / "s", features=Cost(flops=2e15)))
    row = equal_flops(study, arm_facts(study), "full").rows[0]
    assert (row["gain_nats"], row["verdict"]) == (None, "selection alone costs that much")
