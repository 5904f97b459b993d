"""A set's items, scored by the measures that a recipe asks for: rows to keep, and the levels that follow from them.

    asked = asked_measures(recipe.evaluation.asked)
    rows = item_rows(asked, items, scored)          # one for each item and metric

A row: `set`, `id`, `metric`, `score`, `weight`, `output` and `extracted` (null where no answer was needed), `target`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from winnow.errors import DataError
from winnow.evaluation.levels import level_of
from winnow.evaluation.measures.asking import AskedMeasure, metrics_of
from winnow.evaluation.measures.registry import Item, ItemScore
from winnow.evaluation.scoring import ItemScores
from winnow.evaluation.sets import EvaluationSet
from winnow.metrics import ALWAYS, Metric

Row = dict[str, Any]
COLUMNS = pa.schema(
    [
        ("set", pa.string()), ("id", pa.string()), ("metric", pa.string()), ("score", pa.float64()),
        ("weight", pa.float64()), ("output", pa.string()), ("extracted", pa.string()), ("target", pa.string()),
    ]
)  # fmt: skip


def answered(asked: Sequence[AskedMeasure], items: EvaluationSet) -> list[int]:
    """Places of the items that the model has to answer: those that some measure reads an answer of."""
    reading = [each.measure for each in asked if each.measure.answers != "none"]
    if any(measure.of_open for measure in reading):
        return list(range(len(items.answers)))
    return items.final if reading else []


def answers_for(asked: Sequence[AskedMeasure], items: EvaluationSet) -> dict[str, Any]:
    """What `score_set` has to be told: which items are answered, and whether exact match is asked."""
    is_exact = "exact_match" in {each.measure.name for each in asked}
    return {"answered": answered(asked, items), "exact_match": is_exact}


def item_rows(asked: Sequence[AskedMeasure], items: EvaluationSet, scored: ItemScores) -> list[Row]:
    """A row for each item and metric, measure by measure. Raises DataError where a measure breaks its promises."""
    known = {item.id: item for item in _items(items, scored)}
    return [
        {
            "set": items.name, "id": score.id, "metric": score.metric, "score": float(score.score),
            "weight": float(score.weight), "output": known[score.id].output if reads else None,
            "extracted": score.extracted, "target": known[score.id].target,
        }
        for each in asked
        for reads in [each.measure.answers != "none"]
        for score in scores_of(each, list(known.values()))
    ]  # fmt: skip


def scores_of(asked: AskedMeasure, items: Sequence[Item]) -> list[ItemScore]:
    """What a measure says of the items that it is asked of. Raises DataError where it breaks its promises."""
    measure = asked.measure
    shown = [item for item in items if measure.of_open or not item.is_open]
    scores = list(measure.score(shown, options=asked.options))
    ids, names = {item.id for item in shown}, {metric.name for metric in measure.metrics}
    seen: set[tuple[str, str]] = set()
    for score in scores:
        key = score.id, score.metric
        is_number = math.isfinite(score.score) and math.isfinite(score.weight) and score.weight >= 0
        if score.id not in ids or score.metric not in names or key in seen or not is_number:
            raise DataError(
                f"the measure {measure.name} gives {score.id!r} the {score.metric} {score.score!r}, weight "
                f"{score.weight!r}; it may score each item that it is shown once by each of "
                f"{', '.join(sorted(names))}: finite numbers, no weight below 0"
            )
        seen.add(key)
    return scores


def _items(items: EvaluationSet, scored: ItemScores) -> Iterator[Item]:
    for place, name in enumerate(items.rows.names):
        has_answer = bool(scored.is_answered[place])
        yield Item(
            id=name, prompt=items.texts[place], target=items.answers[place], num_options=items.num_options[place],
            is_open=bool(items.is_open and items.is_open[place]), loss=float(scored.losses[place]),
            target_tokens=int(scored.target_tokens[place]), output=scored.outputs[place] if has_answer else None,
            extracted=scored.extracted[place] if has_answer else None,
            target_bytes=items.target_bytes[place] if items.target_bytes else 0,
        )  # fmt: skip


Levels = Mapping[str, tuple[float | None, float | None, int]]
"""Metric -> level, its standard error over items, and of how many items."""


def levels(metrics: Mapping[str, Metric], rows: Sequence[Row]) -> Levels:
    """The levels of these rows by each metric; None where it is asked of no item."""
    found = {}
    for name, metric in metrics.items():
        own = [row for row in rows if row["metric"] == name]
        level, stderr = level_of(metric, [row["score"] for row in own], [row["weight"] for row in own])
        found[name] = (level, stderr, len(own))
    return found


def measured_key(levels: Mapping[str, Any]) -> dict[str, Any]:
    """As records hold levels by other metrics than loss and exact match; nothing where there are none."""
    return {"measured": dict(levels)} if levels else {}


@dataclass(frozen=True)
class Beyond:
    """The levels by all metrics but those that records have fields for."""

    sets: Mapping[str, Levels]
    micro: dict[str, float | None]
    """Over the items of all sets."""
    macro: dict[str, float | None]
    """Over the sets that have such items."""


def beyond(asked: Sequence[AskedMeasure], rows: Mapping[str, Sequence[Row]]) -> Beyond:
    """The levels by set and over all, from the rows of each set."""
    metrics = {name: metric for name, metric in metrics_of(asked).items() if name not in ALWAYS}
    sets = {name: levels(metrics, each) for name, each in rows.items()}
    all_rows = levels(metrics, [row for each in rows.values() for row in each])
    known = {name: [level for each in sets.values() if (level := each[name][0]) is not None] for name in metrics}
    macro = {name: float(np.mean(values)) if values else None for name, values in known.items()}
    return Beyond(sets, {name: level for name, (level, _, _) in all_rows.items()}, macro)
