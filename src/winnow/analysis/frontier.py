"""Cost to quality: what a run spent when it was best, at its end, and when it reached the baseline's best loss.

The level is the mean over the baseline's seeds of its best validation loss, on the target's kind where the recipe aims
at one; a run has reached it at its first evaluation on the way with such a loss at or below. A run that never does is
censored, and is said so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from winnow.analysis.cost import amount, amount_at, selection_charge
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Evaluation, Run
from winnow.findings import Saving

PATIENCE = 3
"""Evaluations without a better validation loss after which an early-stopping rule would have ended a run."""


@dataclass(frozen=True, slots=True)
class CostToQuality:
    """One run's costs on one axis; the selection's cost stands beside, not inside."""

    arm: str
    seed: int
    axis: str
    to_best: float
    to_last: float
    to_early_stop: float
    """Where `PATIENCE` evaluations had brought nothing; the end where that never happened."""
    to_baseline: float | None
    """To the baseline's best validation loss; None: never reached."""
    selection: float
    selection_amortised: float


def baseline_level(study: Study, baseline: str) -> float | None:
    """Mean over seeds of the baseline's best validation loss; None where it has no finished run."""
    found = [run.best_judged for run in study.runs_of(baseline).values()]
    return math.fsum(found) / len(found) if found else None


def level_words(study: Study, baseline: str) -> str:
    """Of which loss that level is one: "validation loss", or "target validation loss"."""
    return next((run.level_words for run in study.runs_of(baseline).values()), "validation loss")


def first_reaching(evaluations: Sequence[Evaluation], level: float) -> Evaluation | None:
    """The first evaluation on the way with a validation loss at or below the level."""
    return next((row for row in evaluations if row.judged <= level), None)


def early_stop(evaluations: Sequence[Evaluation]) -> Evaluation:
    """The evaluation at which a patience rule would have ended the run."""
    return evaluations[stopping_place([row.judged for row in evaluations])]


def stopping_place(losses: Sequence[float]) -> int:
    """The place in a run's losses at which `PATIENCE` of them in a row had been no better than the best before."""
    best, waited = math.inf, 0
    for place, loss in enumerate(losses):
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == PATIENCE:
            return place
    return len(losses) - 1


def cost_to_quality(study: Study, run: Run, axis: str, level: float | None) -> CostToQuality:
    """What one run spent on one axis."""
    price = study.dollars_per_hour
    reached = None if level is None else first_reaching(run.evaluations, level)
    selection = selection_charge(study, run.arm, run.seed)
    return CostToQuality(
        arm=run.arm,
        seed=run.seed,
        axis=axis,
        to_best=amount_at(run.at_best, axis, price),
        to_last=amount(run.costs["train"], axis, price),
        to_early_stop=amount_at(early_stop(run.evaluations), axis, price),
        to_baseline=None if reached is None else amount_at(reached, axis, price),
        selection=amount(selection.whole, axis, price),
        selection_amortised=amount(selection.amortised, axis, price),
    )


def saving(study: Study, arm: str, baseline: str, *, axis: str, confidence: float) -> Saving | None:
    """The share of the baseline's cost to its best checkpoint that the arm saves on the way to the same loss.

    Paired over common seeds. Net adds what the selection costs, on both sides. None without common seeds.
    """
    level, ours, theirs = baseline_level(study, baseline), study.runs_of(arm), study.runs_of(baseline)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    pairs = [
        (cost_to_quality(study, ours[seed], axis, level), cost_to_quality(study, theirs[seed], axis, level))
        for seed in seeds
    ]
    found = saving_of(pairs, baseline=baseline, axis=axis, confidence=confidence)
    return replace(found, level=level_words(study, baseline))


def saving_of(
    pairs: Sequence[tuple[CostToQuality, CostToQuality]], *, baseline: str, axis: str, confidence: float
) -> Saving:
    """The saving of one arm, from its runs' costs paired with the baseline's; at least one pair."""
    num_never = sum(mine.to_baseline is None for mine, _ in pairs)
    if any(other.to_best <= 0 for _, other in pairs):
        return Saving(axis, baseline, None, None, num_never, len(pairs), None)
    gross_shares = [1 - _spent(mine) / other.to_best for mine, other in pairs]
    gross = mean_interval(gross_shares, confidence)
    if num_never:
        at_most = gross.mean if gross else None
        return Saving(axis, baseline, None, None, num_never, len(pairs), None, at_most)
    runs = break_even_runs(
        selection=math.fsum(mine.selection - other.selection for mine, other in pairs) / len(pairs),
        saved_per_run=math.fsum(other.to_best - _spent(mine) for mine, other in pairs) / len(pairs),
    )
    net_shares = [1 - (_spent(mine) + mine.selection) / (other.to_best + other.selection) for mine, other in pairs]
    return Saving(axis, baseline, gross, mean_interval(net_shares, confidence), 0, len(pairs), runs)


def _spent(mine: CostToQuality) -> float:
    """To the baseline's level; of a run that never got there its whole cost, which is less than it would have taken."""
    return mine.to_last if mine.to_baseline is None else mine.to_baseline


def break_even_runs(*, selection: float, saved_per_run: float) -> int | None:
    """Runs that must share one selection until it has paid for itself; None where a run saves nothing."""
    if saved_per_run <= 0:
        return None
    return max(1, math.ceil(selection / saved_per_run))
