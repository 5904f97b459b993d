"""Tables of metrics beside loss and exact match, and of the primary metric by arm; numbers are in the printed unit."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.levels import Question, facts, levels, own_metrics
from winnow.analysis.quality import primary_question
from winnow.analysis.scores import Final
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Table
from winnow.metrics import ALWAYS, LOSS, Metric
from winnow.records import ZERO_SHOT
from winnow.study_files import CHECKPOINTS

Row = dict[str, Any]


def measured_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, ...]:
    """Those of the two that have rows."""
    return tuple(table for table in (measured(study, arms), primary(study, arms)) if table.rows)


def measured(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """Each metric but loss and exact match, per evaluation set and over all; empty where there is none."""
    others = {name: metric for name, metric in own_metrics(study).items() if name not in ALWAYS}
    scored = [(ZERO_SHOT, "start", [study.zero_shot] if study.zero_shot else [])]
    scored += [(arm.name, kind, list(study.finals_of(arm.name, kind).values())) for arm in arms for kind in CHECKPOINTS]
    rows = [
        {"arm": arm, "checkpoint": checkpoint} | row
        for metric in others.values()
        for arm, checkpoint, finals in scored
        for row in _rows(finals, metric, study.recipe.study.confidence)
    ]
    note = (
        "In the unit beside the value; mean over seeds with its interval; stderr is over items, mean of the seeds. "
        "Micro: over items; macro: over sets."
    )
    return Table("measured", "Other measures", tuple(rows), note)


def _rows(finals: Sequence[Final], metric: Metric, confidence: float) -> Iterator[Row]:
    for name in finals[0].levels if finals else ():
        found = [final.levels[name][metric.name] for final in finals if metric.name in final.levels[name]]
        if len(found) < len(finals):
            continue
        details = [final.sets[name].measured[metric.name] for final in finals if name in final.sets]
        errors = [each.stderr for each in details if each.stderr is not None]
        yield {
            "set": name, "metric": metric.name, "unit": metric.level_unit or metric.unit,
            "items": details[0].items if details else None, "seeds": len(found), **_bounded(metric, found, confidence),
            "stderr": metric.scale * fmean(errors) if errors else None,
        }  # fmt: skip


def primary(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """The level of every arm by the primary metric; empty where that is the loss, which has figures of its own."""
    asked = study.recipe.study.primary
    if asked.metric == LOSS.name:
        return Table("primary", "", ())
    metric, question = facts(study, asked.metric), primary_question(asked)
    rows = [row for arm in (ZERO_SHOT, *(arm.name for arm in arms)) if (row := _level(study, arm, question, metric))]
    note = f"At the {asked.checkpoint} checkpoint, {asked.aggregate}; mean over seeds with its interval."
    title = f"{asked.metric.replace('_', ' ')} ({metric.level_unit or metric.unit})".replace(" ()", "")
    return Table("primary", title, tuple(rows), note)


def _level(study: Study, arm: str, question: Question, metric: Metric) -> Row | None:
    found = list(levels(study, arm, question).values())
    if not found:
        return None
    return {"arm": arm, "seeds": len(found), **_bounded(metric, found, study.recipe.study.confidence)}


def _bounded(metric: Metric, found: Sequence[float], confidence: float) -> Row:
    """Mean and interval in the printed unit; that of a share cut to what one can be."""
    estimate = mean_interval(found, confidence)
    assert estimate is not None
    low, high = (None if bound is None else metric.within(bound) for bound in (estimate.low, estimate.high))
    values = {"value": estimate.mean, "value_low": low, "value_high": high}
    return {name: None if value is None else metric.scale * value for name, value in values.items()}
