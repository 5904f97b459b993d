"""Runs that others made, judged as a study's are: paired over seeds, corrected for the arms, costs to quality.

All that is known of a run are numbers by step. Costs are one number per step, and hold whatever their owner put in.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from winnow.analysis.advice import Situation, first_line
from winnow.analysis.frontier import CostToQuality, saving_of, stopping_place
from winnow.analysis.items import ItemScores, gain_parts
from winnow.analysis.quality import compared
from winnow.analysis.sentences import items_sentence, verdict_sentence
from winnow.analysis.tables import comparisons, with_bounds
from winnow.findings import Comparison, Estimate, GivenCurve, GivenFindings, Saving, Table, Verdict
from winnow.metrics import Metric

Row = dict[str, Any]
Items = Mapping[str, Mapping[int, ItemScores]]
"""Arm -> seed -> scores item by item."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of a run."""

    step: float
    value: float
    cost: float | None
    """What the run had cost by then."""


@dataclass(frozen=True)
class GivenRun:
    """An arm with a seed and its measurements by metric, each in the order of the steps."""

    arm: str
    seed: int
    metrics: Mapping[str, tuple[Point, ...]]


@dataclass(frozen=True)
class Question:
    """What is compared."""

    metric: str
    baseline: str
    directions: Mapping[str, bool]
    """Metric -> whether higher is better; the compared one and those whose names say it."""
    primary: str | None = None
    """The arm of the declared comparison, which stands uncorrected."""
    checkpoint: Literal["best", "last", ""] = "last"
    """Which measurement of a run counts; empty where each has one."""
    best_by: str | None = None
    """The metric that chooses the best; the compared one by default."""
    cost: str = "cost"
    """What costs are called."""
    confidence: float = 0.95
    aggregate: str = ""
    """Where items are known, what the metric averages over."""
    known: Metric | None = None
    """What is known of the metric; null of a number that others measured, whose unit is theirs to know."""

    @property
    def facts(self) -> Metric:
        """Of the metric; without unit and scale where nothing is known but which way is better."""
        return self.known or Metric(self.metric, self.directions[self.metric])

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return self.facts.sign


def judge_given(runs: Sequence[GivenRun], question: Question, items: Items | None = None) -> GivenFindings:
    """The verdict on runs that all have the question's metric, and the tables beside it."""
    arms = [arm for arm in dict.fromkeys(run.arm for run in runs) if arm != question.baseline]
    ranking = sorted(
        (_compare(runs, arm, question, items or {}, num=len(arms)) for arm in arms),
        key=lambda found: -found.gain.mean if found.gain else math.inf,
    )
    curves = {(run.arm, run.seed): _curve(run, question) for run in runs}
    is_metered = all(curve.costs for curve in curves.values())
    verdict = _verdict(runs, ranking, curves if is_metered else {}, question, items or {})
    tables = [comparisons(ranking), _runs_table(curves, question)]
    if is_metered:
        tables.append(_cost_table(curves, question))
    tables.append(_best_steps(runs, question))
    return GivenFindings(
        metric=question.metric,
        higher_is_better=question.sign > 0,
        cost=question.cost if is_metered else None,
        baseline=question.baseline,
        verdict=verdict,
        tables={table.name: table for table in tables if table.rows},
        curves=tuple(curves.values()),
    )


def _curve(run: GivenRun, question: Question) -> GivenCurve:
    points = run.metrics[question.metric]
    costs = [point.cost for point in points if point.cost is not None]
    return GivenCurve(
        arm=run.arm,
        seed=run.seed,
        steps=tuple(point.step for point in points),
        values=tuple(point.value for point in points),
        costs=tuple(costs) if len(costs) == len(points) else (),
        chosen=_chosen(run, question),
    )


def _chosen(run: GivenRun, question: Question) -> int:
    """The place of the compared measurement: the last, or that at the step where the run was best (earliest wins)."""
    points = run.metrics[question.metric]
    if question.checkpoint != "best":
        return len(points) - 1
    by = question.best_by or question.metric
    sign = 1 if question.directions[by] else -1
    steps = {point.step for point in points}
    candidates = [point for point in run.metrics[by] if point.step in steps]
    best = max(candidates, key=lambda point: sign * point.value)
    return next(place for place, point in enumerate(points) if point.step == best.step)


def _levels(runs: Sequence[GivenRun], arm: str, question: Question) -> dict[int, float]:
    found = {run.seed: run for run in runs if run.arm == arm}
    return {seed: run.metrics[question.metric][_chosen(run, question)].value for seed, run in found.items()}


def _compare(runs: Sequence[GivenRun], arm: str, question: Question, items: Items, *, num: int) -> Comparison:
    asked = Comparison(
        arm, question.baseline, question.metric, question.aggregate, question.checkpoint, "too few seeds",
        num_comparisons=num, facts=question.facts,
    )  # fmt: skip
    ours, theirs = _levels(runs, arm, question), _levels(runs, question.baseline, question)
    parts = gain_parts(
        items.get(arm, {}), items.get(question.baseline, {}), aggregate=question.aggregate, sign=question.sign
    )
    found = compared(asked, ours, theirs, confidence=question.confidence, parts=parts)
    if found.gain is not None:
        return found
    reason = (
        f"no seed in common with {question.baseline}, and runs are paired by their seeds; number independent runs "
        "alike in all arms"
    )
    return replace(found, reason=reason)


Curves = Mapping[tuple[str, int], GivenCurve]


def _verdict(
    runs: Sequence[GivenRun], ranking: Sequence[Comparison], curves: Curves, question: Question, items: Items
) -> Verdict:
    """On the declared comparison, or else on the best arm, corrected for having been chosen."""
    primary = ranking[0]
    if question.primary is not None:
        primary = _compare(runs, question.primary, question, items, num=1)
    saving = _saving(curves, primary.arm, question) if curves else None
    notes = []
    if question.primary is None and len(ranking) > 1:
        notes.append(f"No comparison was declared: this is the best of {len(ranking)} arms, its interval corrected.")
    if question.checkpoint == "best" and question.best_by in (None, question.metric):
        notes.append(
            f"The best checkpoints were chosen by {question.metric} itself, which makes them look better than they "
            "are; choose them by another metric, measured on other data."
        )
    if primary.num_items is not None and primary.gain is not None and primary.gain.low is not None:
        notes.append(items_sentence(primary, question.confidence))
    sentence = verdict_sentence(primary, saving, question.confidence)
    advice = first_line(primary, Situation(question.baseline, _cost_ratio(curves, primary)))
    return Verdict(primary.kind, sentence, tuple(notes), primary, saving, tuple(ranking), question.confidence, advice)


def _cost_ratio(curves: Curves, pair: Comparison) -> float | None:
    """What the arm's whole runs cost over the baseline's, on their common seeds; None where that is not known."""
    ends = {key: curve.costs[-1] for key, curve in curves.items()}
    seeds = [seed for arm, seed in ends if arm == pair.arm and (pair.baseline, seed) in ends]
    ours, theirs = (math.fsum(ends[arm, seed] for seed in seeds) for arm in (pair.arm, pair.baseline))
    return ours / theirs if theirs > 0 else None


def _baseline_level(curves: Curves, question: Question) -> float:
    """Mean over seeds of the baseline's best value."""
    best = [
        max(question.sign * value for value in curve.values)
        for curve in curves.values()
        if curve.arm == question.baseline
    ]
    return question.sign * math.fsum(best) / len(best)


def _cost_to_quality(curve: GivenCurve, question: Question, level: float) -> CostToQuality:
    losses = [-question.sign * value for value in curve.values]
    reached = next((place for place, loss in enumerate(losses) if loss <= -question.sign * level), None)
    return CostToQuality(
        arm=curve.arm,
        seed=curve.seed,
        axis=question.cost,
        to_best=curve.costs[losses.index(min(losses))],
        to_last=curve.costs[-1],
        to_early_stop=curve.costs[stopping_place(losses)],
        to_baseline=None if reached is None else curve.costs[reached],
        selection=0.0,
        selection_amortised=0.0,
    )


def _saving(curves: Curves, arm: str, question: Question) -> Saving | None:
    level = _baseline_level(curves, question)
    found = {key: _cost_to_quality(curve, question, level) for key, curve in curves.items()}
    pairs = [
        (mine, found[question.baseline, seed])
        for (name, seed), mine in found.items()
        if name == arm and (question.baseline, seed) in found
    ]
    if not pairs:
        return None
    saving = saving_of(pairs, baseline=question.baseline, axis=question.cost, confidence=question.confidence)
    return replace(saving, level=question.metric, includes_selection=True, is_of_selection=False)


def _runs_table(curves: Curves, question: Question) -> Table:
    rows: list[Row] = [
        {
            "arm": curve.arm, "seed": str(curve.seed), "step": curve.steps[curve.chosen],
            "value": curve.values[curve.chosen], "cost": curve.costs[curve.chosen] if curve.costs else None,
        }
        for curve in curves.values()
    ]  # fmt: skip
    note = f"{question.metric}{f' at the {question.checkpoint} checkpoint' if question.checkpoint else ''} of each run."
    return Table("runs", "The compared checkpoints", tuple(rows), note)


def _cost_table(curves: Curves, question: Question) -> Table:
    level = _baseline_level(curves, question)
    arms = dict.fromkeys(arm for arm, _ in curves)
    rows = tuple(_cost_row(curves, arm, question, level) for arm in arms)
    note = (
        f"In {question.cost}, whatever that holds. Level: {question.baseline}'s best {question.metric}, mean over its "
        f"seeds ({level:.4g}). A cell is empty where a seed never reaches it."
    )
    return Table("cost_to_quality", "Cost to quality", rows, note)


def _cost_row(curves: Curves, arm: str, question: Question, level: float) -> Row:
    found = [_cost_to_quality(curve, question, level) for (name, _), curve in curves.items() if name == arm]
    saving = _saving(curves, arm, question) if arm != question.baseline else None
    share: Estimate | None = saving.gross if saving else None
    values = (share.mean, share.low, share.high) if share else (None, None, None)
    percents = (None if value is None else 100 * value for value in values)
    return {
        "arm": arm, "seeds": len(found),
        **with_bounds("to_best", [each.to_best for each in found], question.confidence),
        **with_bounds("to_last", [each.to_last for each in found], question.confidence),
        **with_bounds("to_early_stop", [each.to_early_stop for each in found], question.confidence),
        **with_bounds("to_baseline_best", [each.to_baseline for each in found], question.confidence),
        "seeds_never_reaching": sum(each.to_baseline is None for each in found),
        **dict(zip(("saved_percent", "saved_percent_low", "saved_percent_high"), percents, strict=True)),
    }  # fmt: skip


def _best_steps(runs: Sequence[GivenRun], question: Question) -> Table:
    """Where each run is best by each metric; empty with one metric."""
    known = [
        name for name in dict.fromkeys(name for run in runs for name in run.metrics) if name in question.directions
    ]
    rows = tuple(
        {"arm": run.arm, "seed": str(run.seed)}
        | {f"{name}_best_step": _best_step(run.metrics.get(name, ()), question.directions[name]) for name in known}
        for run in runs
    )
    return Table("best_steps", "Where each metric is best", rows if len(known) > 1 else (), "The earliest wins a tie.")


def _best_step(points: Sequence[Point], is_higher_better: bool) -> float | None:
    sign = 1 if is_higher_better else -1
    return max(points, key=lambda point: sign * point.value).step if points else None
