"""Delayed gain in exact match: the best exact match comes well after the best loss (sometimes called grokking)."""

import math

from winnow.analysis.study_folder import Study
from winnow.analysis.study_records import Evaluation, Run
from winnow.findings import DelayedGain

MIN_STEP_RATIO = 2.0
"""The best exact match lies at least so many times as far into the run as the best loss ..."""
MIN_STDERRS = 2.0
"""... and is higher by at least so many standard errors of a difference of two independent samples of items."""


def delayed_gains(study: Study) -> tuple[DelayedGain, ...]:
    """One finding for each run whose answers were scored on the way."""
    found = (delayed_gain(run) for run in study.runs.values())
    return tuple(each for each in found if each is not None)


def delayed_gain(run: Run) -> DelayedGain | None:
    """Where a run's best validation loss and its best micro exact match lie; the earliest wins a tie."""
    scored = [row for row in run.evaluations if row.micro.exact_match is not None]
    if not scored:
        return None
    by_loss = min(scored, key=lambda row: row.judged)
    by_match = max(scored, key=_exact_match)
    items = sum((score.items or 0) - score.open_items for score in by_match.sets.values())
    gain = _exact_match(by_match) - _exact_match(by_loss)
    late = by_match.step >= MIN_STEP_RATIO * by_loss.step and by_match.step > by_loss.step
    return DelayedGain(
        arm=run.arm,
        seed=run.seed,
        best_loss_step=by_loss.step,
        best_exact_match_step=by_match.step,
        exact_match_at_best_loss=_exact_match(by_loss),
        best_exact_match=_exact_match(by_match),
        is_delayed=late and gain > MIN_STDERRS * _stderr(by_loss, by_match, items),
    )


def _exact_match(row: Evaluation) -> float:
    assert row.micro.exact_match is not None
    return row.micro.exact_match


def _stderr(first: Evaluation, second: Evaluation, items: int) -> float:
    """Of the difference of two shares of `items` each; infinite without items."""
    if items == 0:
        return math.inf
    return math.sqrt(sum(_exact_match(row) * (1 - _exact_match(row)) for row in (first, second)) / items)
