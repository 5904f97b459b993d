"""Whether two arms had the same compute, and how they compare where they have: at equal FLOPs, selection included.

A run's evaluations on the way are read as the budgets below its own, as in `crossover.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from winnow.analysis.cost import amount, selection_charge
from winnow.analysis.crossover import Track, track_of
from winnow.analysis.levels import own_aggregate
from winnow.analysis.quality import compared
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Run
from winnow.findings import ArmFacts, Comparison, Table
from winnow.metrics import LOSS
from winnow.text.printing import EXA

UNEQUAL = 0.02
"""Relative difference in cost from which two arms are called unequal."""


@dataclass(frozen=True, slots=True)
class Compute:
    """What an arm's runs took over what the baseline's took, means over the common seeds."""

    training: float
    """Reference FLOPs of training."""
    whole: float
    """With those of the selections."""
    cost: float | None
    """Selections included, on the axis of the declared cost; None where the baseline's runs cost nothing on it."""

    @property
    def is_equal(self) -> bool:
        """Whether the FLOPs are the same, with and without the selections."""
        return all(abs(ratio - 1) <= UNEQUAL for ratio in (self.training, self.whole))


@dataclass(frozen=True, slots=True)
class AtEqualFlops:
    """Two arms at the largest budget that both can be followed to."""

    flops: float
    """Mean over the seeds; selection included."""
    comparison: Comparison | None
    """Of the losses on the way there; None where the arm's selection alone takes that much."""


def compute_of(study: Study, arm: str, baseline: str) -> Compute | None:
    """What the arm took beside the baseline; None without common seeds, or where the baseline trains nothing."""
    ours, theirs = study.runs_of(arm), study.runs_of(baseline)
    seeds = sorted(ours.keys() & theirs.keys())
    axis = study.recipe.study.primary.cost

    def ratio(axis: str, *, with_selection: bool) -> float | None:
        mine, others = (
            math.fsum(_spent(study, runs[seed], axis, with_selection) for seed in seeds) for runs in (ours, theirs)
        )
        return mine / others if others > 0 else None

    training, whole = (ratio("flops", with_selection=each) for each in (False, True))
    if training is None or whole is None:
        return None
    return Compute(training, whole, ratio(axis, with_selection=True))


def _spent(study: Study, run: Run, axis: str, with_selection: bool) -> float:
    price = study.dollars_per_hour
    selection = amount(selection_charge(study, run.arm, run.seed).whole, axis, price) if with_selection else 0.0
    return amount(run.costs["train"], axis, price) + selection


def at_equal_flops(study: Study, arm: str, baseline: str, *, num_comparisons: int = 1) -> AtEqualFlops | None:
    """Their losses on the way at equal FLOPs, paired over seeds; None where nothing was trained, or no seed is common.

    The budget of a seed is the smaller of what its two runs took, selection included. The loss is the primary
    comparison's aggregate over the items evaluated on the way, at the best checkpoint until then.
    """
    ours, theirs = (
        {seed: track_of(study, run) for seed, run in study.runs_of(each).items()} for each in (arm, baseline)
    )
    seeds = sorted(ours.keys() & theirs.keys())
    ends = {seed: min(ours[seed].furthest(1), theirs[seed].furthest(1)) for seed in seeds}
    if not seeds or min(ends.values()) <= 0:
        return None
    mine, others = (_losses(tracks, ends) for tracks in (ours, theirs))
    if len(mine) < len(seeds) or len(others) < len(seeds):
        return AtEqualFlops(fmean(ends.values()), None)
    asked = Comparison(
        arm, baseline, LOSS.name, own_aggregate(study.recipe), "", "too few seeds", facts=LOSS,
        num_comparisons=num_comparisons,
    )  # fmt: skip
    return AtEqualFlops(fmean(ends.values()), compared(asked, mine, others, confidence=study.recipe.study.confidence))


def _losses(tracks: Mapping[int, Track], ends: Mapping[int, float]) -> dict[int, float]:
    """By seed, of those whose selection leaves something to train with."""
    left = {seed: min(end - tracks[seed].selection_flops, tracks[seed].points[-1].flops) for seed, end in ends.items()}
    found = {seed: tracks[seed].loss_at(flops) for seed, flops in left.items() if flops > 0}
    return {seed: loss for seed, loss in found.items() if loss is not None}


COLUMNS = (
    "arm", "seeds", "training_ratio", "whole_ratio", "budget_exaflops", "verdict", "gain_nats", "gain_nats_low",
    "gain_nats_high", "corrected_for",
)  # fmt: skip
"""Of the table at equal FLOPs."""


def equal_flops(study: Study, arms: Sequence[ArmFacts], baseline: str) -> Table:
    """Every arm against the baseline at equal FLOPs; empty where all arms took the same."""
    others = [arm.name for arm in arms if arm.seeds and arm.name != baseline]
    ratios = {name: compute_of(study, name, baseline) for name in others}
    unequal = [name for name, ratio in ratios.items() if ratio is not None and not ratio.is_equal]
    rows = [row for name in unequal if (row := _row(study, name, baseline, ratios[name], num=len(unequal)))]
    note = (
        f"Arms whose FLOPs differ from {baseline}'s by more than {100 * UNEQUAL:g} %. Ratios: reference FLOPs over "
        f"{baseline}'s, of training and with the selection. Gain: at the largest budget that both runs of a seed "
        "reach, selection included; loss over the items evaluated on the way, at the best checkpoint until then; "
        "positive is better. Intervals are corrected for the number of arms (Bonferroni). A learning rate that decays "
        "is at its end in one of the two runs alone."
    )
    return Table("equal_flops", f"At equal FLOPs against {baseline}", tuple(rows), note, columns=COLUMNS)


def _row(study: Study, arm: str, baseline: str, ratio: Compute | None, *, num: int) -> dict[str, Any] | None:
    found = at_equal_flops(study, arm, baseline, num_comparisons=num)
    if found is None or ratio is None:
        return None
    comparison = found.comparison
    gain = comparison.gain if comparison else None
    return {
        "arm": arm, "seeds": gain.num if gain else 0,
        "training_ratio": ratio.training, "whole_ratio": ratio.whole, "budget_exaflops": found.flops / EXA,
        "verdict": comparison.kind if comparison else "selection alone costs that much",
        "gain_nats": gain.mean if gain else None, "gain_nats_low": gain.low if gain else None,
        "gain_nats_high": gain.high if gain else None, "corrected_for": num,
    }  # fmt: skip
