"""Two measures at once: which arms are better than the baseline in both, and which buy one with the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from winnow.analysis.arms import baseline_name
from winnow.analysis.benchmarks import forgotten_by_seed
from winnow.analysis.cost import amount, selection_charge
from winnow.analysis.gains import Measured, measured
from winnow.analysis.statistics import mean_interval, paired_differences
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import bounded
from winnow.findings import ArmFacts, Estimate, Factor, Table
from winnow.text.printing import EXA

Row = dict[str, Any]
SAME = 1.0
"""Percent of the baseline's cost: what differs by less costs the same."""


@dataclass(frozen=True)
class Second:
    """What is weighed against the primary metric; less of it is better."""

    column: str
    """Of an arm's level."""
    difference: str
    """Column of the difference from the baseline."""
    words: tuple[str, str]
    """For worse and less of it; for better and more of it."""
    levels: Mapping[str, Mapping[int, float]]
    """Arm -> by seed, in the column's unit."""
    note: str
    is_relative: bool = False
    """Differences are in percent of the baseline."""
    same: float = 0.0
    """Differences up to this are none."""

    def differences(self, arm: str, baseline: str) -> list[float]:
        """Of an arm from the baseline, seed by seed."""
        ours, theirs = self.levels.get(arm, {}), self.levels.get(baseline, {})
        differences = paired_differences(ours, theirs)
        scale = 100 / fmean(theirs.values()) if self.is_relative and any(theirs.values()) else 1.0
        return [scale * each for each in differences]


def pareto(study: Study, arms: Sequence[ArmFacts], factors: Sequence[Factor]) -> Table:
    """Every arm against the primary baseline in two measures; empty without factors."""
    first, second = measured(study, arms), second_measure(study, arms)
    baseline, confidence = baseline_name(study), study.recipe.study.confidence
    run = [arm.name for arm in arms if first.levels.get(arm.name)]
    num = 2 * len([name for name in run if name != baseline])
    rows = [_row(first, second, name, baseline, confidence=confidence, num=num) for name in run] if factors else []
    leading = front([(name, first.gains(name), second.levels.get(name, {})) for name in run])
    note = (
        f"{first.metric.replace('_', ' ').capitalize()} ({first.where}) and {second.note}. Differences are from "
        f"{baseline}, paired over seeds; intervals are corrected for all of them, two for each arm (Bonferroni). "
        "Dominates: shown to be better in one measure, its mean no worse in the other, which is less than to be shown "
        "equal; undecided where that mean is worse, and not shown to be. On the front: no arm has better means in "
        "both, whatever their intervals."
    )
    shown = tuple(row | {"on_the_front": row["arm"] in leading} for row in rows)
    return Table("pareto", f"Two measures against {baseline}", shown, note)


def second_measure(study: Study, arms: Sequence[ArmFacts]) -> Second:
    """Forgetting where benchmarks measure it, else the cost of a run and its selection on the primary axis."""
    forgotten = {arm.name: forgotten_by_seed(study, arm.name) for arm in arms}
    if any(forgotten.values()):
        return Second(
            "forgetting_points", "forgetting_difference_points",
            ("learns less and forgets less", "learns more and forgets more"),
            {name: {seed: 100 * each for seed, each in found.items()} for name, found in forgotten.items()},
            "forgetting (points lost of the average over benchmarks)",
        )  # fmt: skip
    axis = study.recipe.study.primary.cost
    column, scale = ("exaflops", EXA) if axis == "flops" else (axis, 1.0)
    costs = {arm.name: _costs(study, arm.name, axis, scale) for arm in arms}
    return Second(
        column, "cost_difference_percent", ("worse and cheaper", "better and dearer"), costs,
        f"cost ({axis} of a whole run with its selection; what differs by less than {SAME:g} % counts as the same)",
        is_relative=True, same=SAME,
    )  # fmt: skip


def _costs(study: Study, arm: str, axis: str, scale: float) -> dict[int, float]:
    price = study.dollars_per_hour
    return {
        seed: (amount(run.costs["train"], axis, price) + amount(selection_charge(study, arm, seed).whole, axis, price))
        / scale
        for seed, run in study.runs_of(arm).items()
    }


def _row(first: Measured, second: Second, arm: str, baseline: str, *, confidence: float, num: int) -> Row:
    gain, more = None, None
    if arm != baseline:
        gains = paired_differences(first.gains(arm), first.gains(baseline))
        gain = mean_interval(gains, confidence, num_comparisons=num)
        more = mean_interval(second.differences(arm, baseline), confidence, num_comparisons=num)
    levels = first.levels[arm], second.levels.get(arm, {})
    return {
        "arm": arm, "seeds": gain.num if gain else len(levels[0]),
        "verdict": "baseline" if arm == baseline else words(gain, more, same=second.same, trade=second.words),
        first.level_column: fmean(levels[0].values()), second.column: fmean(levels[1].values()) if levels[1] else None,
        **bounded(first.column, gain), **bounded(second.difference, more),
        "corrected_for": num,
    }  # fmt: skip


def words(gain: Estimate | None, more: Estimate | None, *, same: float = 0.0, trade: tuple[str, str]) -> str:
    """What two intervals say together: of a gain, higher is better; of `more`, lower."""
    if gain is None or more is None or gain.low is None or more.low is None:
        return "too few seeds"
    first, second = _side(gain, 0.0), -_side(more, same)
    if first * second < 0:
        return trade[0] if first < 0 else trade[1]
    shown = first + second
    means = gain.mean, -more.mean if abs(more.mean) > same else 0.0
    if shown * min(means, key=lambda mean: shown * mean) < 0:  # the other mean lies on the other side, though not shown
        return "undecided"
    return {1: "dominates", 0: "no difference shown", -1: "is dominated"}[max(-1, min(1, first + second))]


def _side(found: Estimate, same: float) -> int:
    """1 where the interval lies above what counts as none, -1 below, else 0."""
    assert found.low is not None and found.high is not None
    return int(found.low > same) - int(found.high < -same)


def front(arms: Sequence[tuple[str, Mapping[int, float], Mapping[int, float]]]) -> set[str]:
    """Of arms with gains (higher is better) and a second measure (lower is better): those that none has beaten in both.

    Means over the seeds of each; an arm that lacks one of the two is on no front.
    """
    ends = {name: (fmean(gains.values()), fmean(more.values())) for name, gains, more in arms if gains and more}

    def beaten(one: tuple[float, float]) -> bool:
        return any(gain >= one[0] and more <= one[1] and (gain, more) != one for gain, more in ends.values())

    return {name for name, end in ends.items() if not beaten(end)}
