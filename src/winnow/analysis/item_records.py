"""The items that a study's checkpoints were scored on, read from `records/items/` when they are asked for."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.analysis.items import ItemScores
from winnow.analysis.study_folder import Study
from winnow.errors import ArtifactError
from winnow.kinds import KINDS
from winnow.records import ZERO_SHOT

COLUMNS = ["set", "id", "loss", "target_tokens", "correct"]


def items_of(study: Study, arm: str, checkpoint: str) -> dict[int, ItemScores]:
    """By seed, the arm's scores item by item; empty where one of its finished runs has no item records."""
    if (arm, checkpoint) not in study.items_read:
        seeds = sorted(study.finals_of(arm, checkpoint))
        paths = {seed: items_path(study, arm, seed, checkpoint) for seed in seeds}
        is_whole = all(path.is_file() for path in paths.values())
        study.items_read[arm, checkpoint] = {seed: read_items(path) for seed, path in paths.items()} if is_whole else {}
    found: dict[int, ItemScores] = study.items_read[arm, checkpoint]
    return found


def zero_shot_items(study: Study) -> dict[int, ItemScores]:
    """The untrained model's scores item by item, under seed 0; empty where they are not recorded."""
    path = study.path_of(KINDS["evaluate"].items, ZERO_SHOT, None)
    return {0: read_items(path)} if path.is_file() else {}


def items_path(study: Study, arm: str, seed: int, checkpoint: str) -> Path:
    """The file of a checkpoint's item records."""
    return study.path_of(KINDS["evaluate"].items, arm, seed, checkpoint)


def read_items(path: Path) -> ItemScores:
    """The scores in a file of item records. Raises ArtifactError where it is damaged."""
    try:
        table = pq.read_table(path, columns=COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({str(error).splitlines()[0]}); run the study again") from error
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in COLUMNS}
    return ItemScores(
        sets=columns["set"].astype(str), ids=columns["id"].astype(str), losses=columns["loss"].astype(np.float64),
        tokens=columns["target_tokens"].astype(np.float64), correct=_numbers(table.column("correct")),
    )  # fmt: skip


def _numbers(flags: pa.ChunkedArray) -> NDArray[np.float64]:
    """1 or 0, NaN where an item has none."""
    return np.array([np.nan if flag is None else float(flag) for flag in flags.to_pylist()])
