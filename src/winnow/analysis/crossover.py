"""Who wins at which budget, and how often a selection must be used until it pays.

A run's evaluations on the way are read as the budgets below its own. With B FLOPs for one of r runs that share a
selection of s FLOPs, an arm trains for B - s/r; its loss there is that of the checkpoint with the lowest validation
loss so far, the point between two evaluations being interpolated. An arm whose selection alone costs B or more is not
affordable there. This supposes a learning rate that is constant, or else the larger budget's schedule.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from winnow.analysis.cost import selection_charge
from winnow.analysis.levels import own_aggregate
from winnow.analysis.quality import kind_of
from winnow.analysis.scores import Score
from winnow.analysis.statistics import mean_interval, paired_differences
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Evaluation, Run
from winnow.findings import ArmFacts, Table
from winnow.text.printing import EXA

REUSES = (1, 3, 10, 30, math.inf)
"""Runs that share one selection; without end: it costs nothing."""
NUM_BUDGETS = 10
SAME = 0.01
"""Budgets that differ by less count as one."""
MIN_ARMS = 3
NOTE = (
    "Budget: training and a share of the selection, 1/uses of it. Losses: {aggregate} average over the items evaluated "
    "on the way, at the best checkpoint so far by validation loss, mean over the common seeds. The gain is the best "
    "control's loss less the best selection's, paired over seeds; its interval is corrected for the selections that "
    "competed, not for the budgets. A deterministic selection's interval covers the order of the data alone. Rows "
    "end where some run has no evaluation any more."
)
LOSS_NOTE = "Losses of all arms at each budget and use, as in the table of winners; empty: not affordable."


@dataclass(frozen=True, slots=True)
class Point:
    """A run after some training: reference FLOPs, validation loss, and the loss that is compared."""

    flops: float
    validation: float
    loss: float


@dataclass(frozen=True, slots=True)
class Track:
    """A run's points in the order of their FLOPs, and what its selection cost."""

    points: tuple[Point, ...]
    selection_flops: float

    def loss_at(self, flops: float) -> float | None:
        """Loss of the best checkpoint after so much training; None before its start and beyond its end."""
        reached = bisect_right([point.flops for point in self.points], flops)
        if reached == 0 or flops > self.points[-1].flops:
            return None
        candidates = list(self.points[:reached])
        if reached < len(self.points):
            candidates.append(_between(self.points[reached - 1], self.points[reached], flops))
        return min(candidates, key=lambda point: point.validation).loss

    def loss_within(self, budget: float, uses: float) -> float | None:
        """Loss that a budget buys where so many runs share the selection; None where it is not affordable."""
        left = budget - self.selection_flops / uses
        return self.loss_at(left) if left > 0 else None

    def furthest(self, uses: float) -> float:
        """The largest budget at which its loss is known."""
        return self.points[-1].flops + self.selection_flops / uses


COLUMNS = (
    "budget_exaflops", "uses", "winner", "selection", "selection_loss", "control", "control_loss", "gain_nats",
    "gain_nats_low", "gain_nats_high", "verdict", "not_affordable",
)  # fmt: skip
"""Of the table of winners."""
Tracks = Mapping[str, Mapping[int, Track]]
"""By arm and seed."""


def crossover_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, Table]:
    """Winners by budget and use, and the losses behind them; empty with fewer than three arms or one evaluation."""
    tracks = tracks_of(study, arms)
    cells = list(cells_of(tracks)) if len(tracks) >= MIN_ARMS else []
    controls = {arm.name for arm in arms if arm.is_control}
    confidence, aggregate = study.recipe.study.confidence, own_aggregate(study.recipe)
    winners = [_winner(*cell, controls=controls, confidence=confidence) for cell in cells]
    losses = [
        {"budget_exaflops": budget / EXA, "uses": uses_name(uses), "arm": arm, "loss": _mean(found)}
        for budget, uses, levels in cells
        for arm, found in levels.items()
    ]
    return (
        Table(
            "crossover", "Who wins at which budget", tuple(winners), NOTE.format(aggregate=aggregate), columns=COLUMNS
        ),
        Table(
            "crossover_losses",
            "Loss by budget and use of the selection",
            tuple(losses),
            LOSS_NOTE,
            columns=("budget_exaflops", "uses", "arm", "loss"),
        ),
    )


def uses_name(uses: float) -> str:
    """How a number of uses is written in a table."""
    return "without end" if math.isinf(uses) else f"{uses:g}"


def tracks_of(study: Study, arms: Sequence[ArmFacts]) -> Tracks:
    """The runs of each arm, on the seeds that all arms have; none where there is no such seed."""
    named = [arm.name for arm in arms if arm.seeds]
    seeds = set.intersection(*(set(study.runs_of(name)) for name in named)) if named else set()
    if not seeds:
        return {}
    return {name: {seed: track_of(study, study.runs[name, seed]) for seed in sorted(seeds)} for name in named}


def track_of(study: Study, run: Run) -> Track:
    """A run's points on the way, and what its selection cost."""
    aggregate = own_aggregate(study.recipe)
    points = (Point(row.flops, row.judged, _level(row, aggregate).loss) for row in run.evaluations)
    return Track(tuple(points), selection_charge(study, run.arm, run.seed).whole.flops)


def _level(row: Evaluation, aggregate: str) -> Score:
    """One set's score or an average; the macro average where a set was not evaluated on the way."""
    return row.micro if aggregate == "micro" else row.sets.get(aggregate, row.macro)


def _between(before: Point, after: Point, flops: float) -> Point:
    share = (flops - before.flops) / (after.flops - before.flops)
    return Point(
        flops,
        before.validation + share * (after.validation - before.validation),
        before.loss + share * (after.loss - before.loss),
    )


Levels = Mapping[str, Mapping[int, float] | None]
"""Arm -> loss by seed; None where a seed cannot afford its selection."""


def cells_of(tracks: Tracks) -> Iterator[tuple[float, float, Levels]]:
    """Budget, uses and losses, for every budget up to which all runs can be followed at this use."""
    runs = [track for by_seed in tracks.values() for track in by_seed.values()]
    grid = budgets(runs)
    for uses in REUSES:
        last = min(track.furthest(uses) for track in runs)
        for budget in grid:
            if budget <= last:
                yield budget, uses, {arm: _levels(by_seed, budget, uses) for arm, by_seed in tracks.items()}


def budgets(runs: Sequence[Track]) -> list[float]:
    """Budgets at equal ratios from where all runs were evaluated to where the first ends.

    One more where selections were paid out of the budget: the largest at which all are known if each is used once.
    None where a run has no evaluation after its start.
    """
    if any(len(track.points) < 2 for track in runs):
        return []
    first, end = max(track.points[1].flops for track in runs), min(track.furthest(math.inf) for track in runs)
    steps = NUM_BUDGETS - 1
    grid = [first * (end / first) ** (place / steps) for place in range(steps)] if end > first else []
    whole = min(track.furthest(1) for track in runs)
    return [*grid, end, *([whole] if whole > (1 + SAME) * end else [])]


def _levels(by_seed: Mapping[int, Track], budget: float, uses: float) -> dict[int, float] | None:
    found = {seed: track.loss_within(budget, uses) for seed, track in by_seed.items()}
    known = {seed: loss for seed, loss in found.items() if loss is not None}
    return known if len(known) == len(found) else None


def _mean(levels: Mapping[int, float] | None) -> float | None:
    return fmean(levels.values()) if levels else None


def _winner(budget: float, uses: float, levels: Levels, *, controls: set[str], confidence: float) -> dict[str, Any]:
    """One row: the best selection against the best control."""
    known = {arm: found for arm, found in levels.items() if found is not None}
    means = {arm: fmean(found.values()) for arm, found in known.items()}
    ranked = sorted(means, key=lambda arm: (means[arm], arm))
    selection = next((arm for arm in ranked if arm not in controls), None)
    control = next((arm for arm in ranked if arm in controls), None)
    gain = None
    if selection is not None and control is not None:
        num = sum(arm not in controls for arm in ranked)
        gains = paired_differences(known[control], known[selection])
        gain = mean_interval(gains, confidence, num_comparisons=num)
    return {
        "budget_exaflops": budget / EXA, "uses": uses_name(uses), "winner": ranked[0] if ranked else None,
        "selection": selection, "selection_loss": means.get(selection or ""),
        "control": control, "control_loss": means.get(control or ""),
        "gain_nats": gain.mean if gain else None, "gain_nats_low": gain.low if gain else None,
        "gain_nats_high": gain.high if gain else None,
        "verdict": kind_of(gain) if gain else "nothing to compare",
        "not_affordable": len(levels) - len(known),
    }  # fmt: skip
