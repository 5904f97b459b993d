"""The items that a study's checkpoints were scored on, read from `records/items/` when they are asked for.

A file has a row for each item and metric: `set`, `id`, `metric`, `score`, `weight`, `output`, `extracted`, `target`.
Files of before that had a row for each item, with its loss and whether it was right; they are read, too.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from winnow.analysis.items import ItemScores
from winnow.analysis.study_folder import Study
from winnow.errors import ArtifactError
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT

COLUMNS = ["set", "id", "metric", "score", "weight"]
OLD_COLUMNS = {
    "loss": ["set", "id", "loss", "target_tokens"],
    "exact_match": ["set", "id", "correct"],
}
"""What each metric is read from in files that have no column `metric`."""


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
        is_old = "metric" not in pq.read_schema(path).names
        if is_old:
            return _old(pq.read_table(path, columns=OLD_COLUMNS.get(metric, ["set", "id"])), metric)
        table = pq.read_table(path, columns=COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({str(error).splitlines()[0]}); run the study again") from error
    table = table.filter(pa.array([name == metric for name in table["metric"].to_pylist()], pa.bool_()))
    weights = table["weight"].to_numpy().astype(np.float64)
    return _scores(table, table["score"].to_numpy().astype(np.float64) * weights, weights)


def _old(table: pa.Table, metric: str) -> ItemScores:
    """Of a row for each item; null where no exact match was asked of one."""
    if metric == "loss":
        return _scores(table, *(table[name].to_numpy().astype(np.float64) for name in ("loss", "target_tokens")))
    if metric not in OLD_COLUMNS:
        return _scores(table.slice(0, 0), np.zeros(0), np.zeros(0))
    asked = table.filter(table["correct"].is_valid())
    correct = np.array(asked["correct"].to_pylist(), dtype=np.float64)
    return _scores(asked, correct, np.ones(len(correct)))


def _scores(table: pa.Table, sums: np.ndarray, weights: np.ndarray) -> ItemScores:
    sets, ids = (np.array(table[name].to_pylist(), dtype=str) for name in ("set", "id"))
    return ItemScores(sets, ids, sums, weights)
