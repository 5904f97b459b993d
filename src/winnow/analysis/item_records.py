"""The items that a study's checkpoints were scored on, read from `records/items/` when they are asked for."""

from pathlib import Path

import numpy as np

from winnow.analysis.items import ItemScores
from winnow.analysis.study_folder import Study
from winnow.columns import read_columns
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
        table = read_columns(path, COLUMNS)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} is damaged ({str(error).splitlines()[0]}); run the study again") from error
    columns = {name: table.column(name).to_pylist() for name in COLUMNS}
    return ItemScores(
        sets=np.array(columns["set"], dtype=str), ids=np.array(columns["id"], dtype=str),
        losses=np.array(columns["loss"], dtype=np.float64), tokens=np.array(columns["target_tokens"], dtype=np.float64),
        correct=np.array(columns["correct"], dtype=np.float64),  # 1 or 0, NaN where an item has none
    )  # fmt: skip
