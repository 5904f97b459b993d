"""The items that a study's checkpoints were scored on, read from `records/items/` when they are asked for.

A file has a row for each item and metric: `set`, `id`, `metric`, `score`, `weight`, `output`, `extracted`, `target`.
Files of before that had a row for each item, with its loss and whether it was right; they are read, too.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.analysis.items import ItemScores
from winnow.analysis.study_folder import Study
from winnow.columns import read_columns
from winnow.errors import ArtifactError
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT

COLUMNS = ["set", "id", "metric", "score", "weight"]
OLD_COLUMNS = {"loss": ("loss", "target_tokens"), "exact_match": ("correct", "")}
"""Metric -> columns of its sums and weights in files that have no column `metric`; without one all weigh 1."""


def items_of(study: Study, arm: str, checkpoint: str, metric: str) -> dict[int, ItemScores]:
    """By seed, the arm's scores item by item; empty where one of its finished runs has no records of this metric."""
    key = arm, checkpoint, metric
    if key not in study.items_read:
        seeds = sorted(study.finals_of(arm, checkpoint))
        found = {seed: _read(items_path(study, arm, seed, checkpoint), metric) for seed in seeds}
        known = {seed: each for seed, each in found.items() if each is not None}
        study.items_read[key] = known if len(known) == len(found) else {}
    items: dict[int, ItemScores] = study.items_read[key]
    return items


def zero_shot_items(study: Study, metric: str) -> dict[int, ItemScores]:
    """The untrained model's scores item by item, under seed 0; empty where they are not recorded."""
    found = _read(study.path_of(KINDS["evaluate"].items, ZERO_SHOT, None), metric)
    return {} if found is None else {0: found}


def items_path(study: Study, arm: str, seed: int, checkpoint: str) -> Path:
    """The file of a checkpoint's item records."""
    return study.path_of(KINDS["evaluate"].items, arm, seed, checkpoint)


def _read(path: Path, metric: str) -> ItemScores | None:
    """The items' scores; None where there is no such file, or nothing by this metric in it."""
    found = read_items(path, metric) if path.is_file() else None
    return found if found is not None and len(found.ids) else None


def read_items(path: Path, metric: str) -> ItemScores:
    """The scores by one metric in a file of item records. Raises ArtifactError where it is damaged."""
    try:
        if "metric" in pq.read_schema(path).names:
            return _of_metric(read_columns(path, COLUMNS), metric)
        columns = ["set", "id", *(name for name in OLD_COLUMNS.get(metric, ()) if name)]
        return _of_items(read_columns(path, columns), metric)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({str(error).splitlines()[0]}); run the study again") from error


def _of_metric(table: pa.Table, metric: str) -> ItemScores:
    """The rows of one metric."""
    named = np.array(table["metric"].to_pylist(), dtype=str) == metric
    scores, weights = (_numbers(table, name)[named] for name in ("score", "weight"))
    sets, ids = (np.array(table[name].to_pylist(), dtype=str)[named] for name in ("set", "id"))
    return ItemScores(sets, ids, scores * weights, weights)


def _of_items(table: pa.Table, metric: str) -> ItemScores:
    """Of a row for each item, as files of before have them; none by metrics that they do not have."""
    sets, ids = (np.array(table[name].to_pylist(), dtype=str) for name in ("set", "id"))
    if metric not in OLD_COLUMNS:
        return ItemScores(sets[:0], ids[:0], np.zeros(0), np.zeros(0))
    sums, weights = OLD_COLUMNS[metric]
    values = _numbers(table, sums)  # NaN where no exact match was asked of an item
    counts = _numbers(table, weights) if weights else np.ones(len(values))
    return ItemScores(sets, ids, values, counts).where(~np.isnan(values))


def _numbers(table: pa.Table, column: str) -> NDArray[np.float64]:
    return np.array(table[column].to_pylist(), dtype=np.float64)
