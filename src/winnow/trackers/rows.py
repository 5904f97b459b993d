"""A run's records as trackers want them: a step and flat names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from winnow.credentials import masked, masked_tree
from winnow.metrics import ALWAYS
from winnow.records import Cost, to_json
from winnow.trackers.interface import Row, Values

SPENT = "visits", "tokens", "padded_tokens", "flops", "executed_flops", "seconds", "evaluation_seconds"


def rows_of(
    steps: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], *, after: int = -1
) -> list[Row]:
    """A row for each step beyond `after` that has a logged point, an evaluation or both; in order."""
    found: dict[int, Values] = {}
    for record, values_of in ((steps, _point), (evaluations, _evaluation)):
        for entry in reversed(record):
            if entry["step"] <= after:
                break
            found.setdefault(entry["step"], {}).update(values_of(entry))
    return sorted(found.items())


def _point(entry: Mapping[str, Any]) -> Values:
    return _spent(entry) | {"train/loss": entry["loss"], "train/learning_rate": entry["learning_rate"]}


def _evaluation(entry: Mapping[str, Any]) -> Values:
    scored = {"validation": entry["validation"], "micro": entry["micro"], "macro": entry["macro"]}
    scored |= {name: entry[name] for name in ("target_validation",) if name in entry}
    scored |= {f"sets/{name}": scores for name, scores in entry["sets"].items()}
    values = {f"{name}/{metric}": level for name, scores in scored.items() for metric, level in _levels(scores)}
    return _spent(entry) | {name: value for name, value in values.items() if value is not None}


def _levels(scores: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """By metric."""
    yield from ((metric, scores.get(metric)) for metric in ALWAYS)
    yield from scores.get("measured", {}).items()


def _spent(entry: Mapping[str, Any]) -> Values:
    return {f"spent/{key}": float(entry[key]) for key in SPENT if key in entry}


def cost_values(costs: Mapping[str, Cost]) -> Values:
    """Costs by meter, such as `cost/train/flops`."""
    return {f"cost/{meter}/{key}": float(value) for meter in costs for key, value in to_json(costs[meter]).items()}


def flat(tree: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Nested settings by dotted names, without those that are null; lists as JSON, passwords masked."""
    return dict(_leaves(tree, ""))


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | int | float | bool]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", json.dumps(masked_tree(value))
        elif isinstance(value, str):
            yield f"{prefix}{key}", masked(value)
        elif value is not None:
            yield f"{prefix}{key}", value
