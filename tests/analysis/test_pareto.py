"""Two measures at once: the words for two intervals, costs that count as equal, and the front."""

import pytest
from varied_factory import SMALL, write_varied

from winnow.analysis.find import find
from winnow.analysis.pareto import front, words
from winnow.findings import Estimate
from winnow.store import read_json, write_json

FORGET = ("learns less and forgets less", "learns more and forgets more")
UP, NONE, DOWN = Estimate(2, 1, 3, 3), Estimate(0, -1, 1, 3), Estimate(-2, -3, -1, 3)


@pytest.mark.parametrize(
    ("gain", "more", "said"),
    [
        (DOWN, DOWN, "learns less and forgets less"), (UP, UP, "learns more and forgets more"),
        (UP, DOWN, "dominates"), (UP, NONE, "dominates"), (NONE, DOWN, "dominates"),
        (DOWN, UP, "is dominated"), (DOWN, NONE, "is dominated"), (NONE, UP, "is dominated"),
        (NONE, NONE, "no difference shown"), (None, UP, "too few seeds"),
        (Estimate(1, None, None, 1), UP, "too few seeds"),
    ],
)  # fmt: skip
def test_two_intervals_are_one_word(gain, more, said):
    assert words(gain, more, trade=FORGET) == said


@pytest.mark.parametrize("other", [Estimate(-0.4, -1.1, 0.3, 3), Estimate(-1e-9, -1, 1, 3)])
def test_a_worse_mean_that_is_not_shown_keeps_an_arm_from_dominating(other):
    """Tried: full training at a quarter of the tokens "dominated" the long run, being cheaper and 0.42 nats worse."""
    better = Estimate(-other.mean, -other.high, -other.low, 3)
    assert words(other, DOWN, trade=FORGET) == "undecided"
    assert words(better, UP, trade=FORGET) == "undecided"
    assert words(UP, better, trade=FORGET) == words(DOWN, other, trade=FORGET) == "undecided"
    assert words(better, DOWN, trade=FORGET) == "dominates" and words(other, UP, trade=FORGET) == "is dominated"


def test_costs_that_differ_by_little_are_the_same():
    assert words(UP, Estimate(0.4, 0.3, 0.5, 3), same=1.0, trade=FORGET) == "dominates"
    assert words(UP, Estimate(1.4, 1.3, 1.5, 3), same=1.0, trade=FORGET) == FORGET[1]


def test_the_front_is_what_none_beats_in_both():
    ends = [("a", {0: 1.0}, {0: 1.0}), ("b", {0: 2.0}, {0: 2.0}), ("c", {0: 1.5}, {0: 2.0}), ("d", {0: 0.5}, {})]
    assert front(ends) == {"a", "b"}
    assert front([*ends, ("twin", {0: 2.0}, {0: 2.0})]) == {"a", "b", "twin"}


def test_without_benchmarks_loss_is_weighed_against_cost(tmp_path):
    folder = write_varied(tmp_path / "s", effect=lambda levels: 0.2 if levels["adapter"] == "r16" else 0.0)
    path = folder / "training_records.r16_epochs2.json"
    for each in (path, *(folder / f"training_records.r16_epochs2_s{seed}.json" for seed in (1, 2))):
        records = read_json(each)
        records["costs"]["train"]["flops"] *= 1.5
        write_json(each, records)
    table = find(folder).tables["pareto"]
    said = {row["arm"]: row["verdict"] for row in table.rows}
    assert said == {
        "full_epochs1": "baseline", "full_epochs2": "no difference shown", "r4_epochs1": "no difference shown",
        "r4_epochs2": "no difference shown", "r16_epochs1": "dominates", "r16_epochs2": "better and dearer",
    }  # fmt: skip
    row = table.rows[-1]
    assert row["cost_difference_percent"] == pytest.approx(50, abs=0.1) and row["corrected_for"] == 10
    assert row["on_the_front"] is (row["loss"] < table.rows[-2]["loss"])


def test_forgetting_is_weighed_where_benchmarks_measure_it(tmp_path, monkeypatch):
    lost = {"full": 0.10, "r4": 0.02, "r16": 0.02}
    monkeypatch.setattr(
        "winnow.analysis.pareto.forgotten_by_seed",
        lambda study, arm: {seed: lost[arm.split("_")[0]] + 0.001 * seed for seed in study.runs_of(arm)},
    )
    folder = write_varied(tmp_path / "s", SMALL, effect=lambda levels: 0.3 if levels["adapter"] == "full" else 0.0)
    table = find(folder).tables["pareto"]
    said = {row["arm"]: row["verdict"] for row in table.rows}
    assert said["r4_epochs1"] == said["r16_epochs2"] == "learns less and forgets less"
    row = table.rows[-1]
    assert row["forgetting_points"] == pytest.approx(2.1) and row["forgetting_difference_points"] == pytest.approx(-8)
