"""Benchmarks beside guessing, the untrained model and a reference: what a small model's scores can tell, and what not.

Figures of a reference are the recipe's (`evaluation.benchmarks.reference`), in percent; all others are measured here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

from winnow.analysis.benchmarks import Asked, asked_of, forgetting_interval, lost_parts
from winnow.analysis.items import Parts
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import Row, bounded
from winnow.findings import ArmFacts, Estimate, Table
from winnow.ledger import round_half_up
from winnow.metrics import metric_named
from winnow.records import ZERO_SHOT
from winnow.text.printing import fixed

NAME, AVERAGE = "benchmarks_reference", "average"
COLUMNS = (
    "arm", "task", "metric", "score_percent", "stderr_points", "random_percent", "untrained_percent",
    "reference_percent", "less_random_points", "less_reference_points", "above_untrained_points",
    "above_untrained_points_low", "above_untrained_points_high", "above_reference_points",
    "above_reference_points_low", "above_reference_points_high", "reference_gain_share",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """One task of one arm, in percent and points."""

    task: str
    metric: str
    score: float
    stderr: float | None
    """Over items, mean of the seeds."""
    random: float | None
    untrained: float | None
    reference: float | None
    gained: Parts | None
    """Of each item over the untrained model, a share."""


def reference_table(study: Study, arms: Sequence[ArmFacts]) -> Table | None:
    """A row for each arm and task, and for the plain average; None where nothing of it was asked.

    Asked are studies of plain text with benchmarks, and those that name a reference.
    """
    asked = study.recipe.evaluation.benchmarks
    if asked is None or not (study.recipe.is_text or asked.reference):
        return None
    confidence = study.recipe.study.confidence
    rows = [row for arm in arms for row in _rows(_scored(study, arm.name), arm.name, confidence)]
    name = asked.reference.name if asked.reference else "none"
    note = (
        f"Percent. Random: guessing; untrained: measured, before any training of the arms; reference: {name}, as given "
        "in the recipe. Less: differences of the rounded figures, as people print them. Above: of the unrounded "
        "ones, with an interval over items (and seeds, where there are several) against the untrained model, paired "
        "item by item, and over our items alone against the reference, whose own error nobody gave. Gain share, of "
        "averages: of the reference's gain over random. " + _told(rows, confidence)
    )
    return Table(NAME, "Benchmarks beside guessing and a reference", tuple(rows), note, columns=() if rows else COLUMNS)


def mean_stderr(errors: Sequence[float]) -> float:
    """Of the plain mean of independent scores, from the standard error of each."""
    return math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)


def gain_share(score: float, random: float, reference: float) -> float | None:
    """The share of the reference's gain over random; None where it has none."""
    return None if reference <= random else (score - random) / (reference - random)


def _scored(study: Study, arm: str) -> list[Scored]:
    """The tasks with a share for their main metric that have run."""
    asked = study.recipe.evaluation.benchmarks
    assert asked is not None
    given: Mapping[str, float] = asked.reference.scores if asked.reference else {}
    found = [(task, asked_of(study, ZERO_SHOT, task), asked_of(study, arm, task)) for task in asked.tasks]
    return [
        _of_task(task, base.get(0), runs, given.get(task)) for task, base, runs in found
        if runs and metric_named(next(iter(runs.values())).summary["primary"]).is_share
    ]  # fmt: skip


def _of_task(task: str, base: Asked | None, runs: Mapping[int, Asked], reference: float | None) -> Scored:
    first = next(iter(runs.values())).summary
    metric = first["primary"]
    levels = [run.summary["metrics"][metric] for run in runs.values()]
    errors = [level["stderr"] for level in levels if level["stderr"] is not None]
    random = levels[0]["random_level"]
    lost = lost_parts(base, runs, 1) if base is not None else None
    return Scored(
        task, metric, 100 * fmean(level["value"] for level in levels), 100 * fmean(errors) if errors else None,
        None if random is None else 100 * random,
        None if base is None else 100 * base.summary["metrics"][metric]["value"], reference,
        None if lost is None else Parts(-lost.values, lost.sets, lost.ids),
    )  # fmt: skip


def _rows(scored: Sequence[Scored], arm: str, confidence: float) -> list[Row]:
    rows = [_row(each, arm, confidence) for each in scored]
    return [*rows, _row(_average(scored), arm, confidence)] if len(scored) > 1 else rows


def _average(scored: Sequence[Scored]) -> Scored:
    """The plain mean over tasks; of figures that some task lacks, none."""
    errors = [each.stderr for each in scored]
    parts = [each.gained for each in scored if each.gained is not None]
    gained = None
    if len(parts) == len(scored):
        values = np.concatenate([part.values for part in parts], axis=1) / len(parts)
        gained = Parts(
            values, np.concatenate([part.sets for part in parts]), np.concatenate([part.ids for part in parts])
        )
    return Scored(
        AVERAGE, "", fmean(each.score for each in scored),
        None if None in errors else mean_stderr([error for error in errors if error is not None]),
        _mean([each.random for each in scored]), _mean([each.untrained for each in scored]),
        _mean([each.reference for each in scored]), gained,
    )  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _row(scored: Scored, arm: str, confidence: float) -> Row:
    score, random, reference = scored.score, scored.random, scored.reference
    gained = None if scored.gained is None else forgetting_interval(scored.gained, confidence, num_comparisons=1)
    against = None if reference is None else _over_items(score - reference, scored.stderr, confidence)
    share = None
    if scored.task == AVERAGE and random is not None and reference is not None:
        share = gain_share(score, random, reference)
    return {
        "arm": arm, "task": scored.task, "metric": scored.metric, "score_percent": score,
        "stderr_points": scored.stderr, "random_percent": random, "untrained_percent": scored.untrained,
        "reference_percent": reference, "less_random_points": less(score, random),
        "less_reference_points": less(score, reference), **bounded("above_untrained_points", gained, 100),
        **bounded("above_reference_points", against, 1), "reference_gain_share": share,
    }  # fmt: skip


def less(score: float, other: float | None) -> float | None:
    """The difference of the two figures as they are printed, with two decimals: -0.85 of 38.145 and 39."""
    return None if other is None else round_half_up(round_half_up(score) - round_half_up(other))


def _over_items(difference: float, stderr: float | None, confidence: float) -> Estimate:
    if stderr is None:
        return Estimate(difference, None, None, 1)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * stderr
    return Estimate(difference, difference - half, difference + half, 1)


def _told(rows: Sequence[Row], confidence: float) -> str:
    return " ".join(reference_sentences(rows, confidence))


def reference_sentences(rows: Sequence[Row], confidence: float) -> list[str]:
    """What cannot be told at this size: how well the average is known, and which scores are noise or below guessing."""
    errors = [row["stderr_points"] for row in rows if row["task"] == AVERAGE and row["stderr_points"] is not None]
    found = []
    if errors:
        half = NormalDist().inv_cdf(0.5 + confidence / 2) * max(errors)
        found.append(
            f"Averages over benchmarks have a standard error of up to {fixed(max(errors), 2)} points over items: a "
            f"difference to other figures below {fixed(half, 2)} points cannot be told from none."
        )
    noise = [row for row in rows if row["above_untrained_points_low"] is not None and _holds_0(row)]
    if noise:
        found.append(f"Not told from the untrained model: {_listed(noise)}.")
    below = [row for row in rows if row["less_random_points"] is not None and row["less_random_points"] < 0]
    if below:
        found.append(f"Below random: {_listed(below)}.")
    return found


def _holds_0(row: Row) -> bool:
    return bool(row["above_untrained_points_low"] <= 0 <= row["above_untrained_points_high"])


def _listed(rows: Sequence[Row]) -> str:
    tasks: dict[str, list[str]] = {}
    for row in rows:
        tasks.setdefault(row["task"], []).append(row["arm"])
    return "; ".join(f"{task} ({', '.join(arms)})" for task, arms in tasks.items())
