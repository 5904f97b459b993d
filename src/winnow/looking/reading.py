"""What is looked at: the pool, and each arm's selections as the walk over the stages left them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.records import Cost, Stored
from winnow.store import read_json

POOL, SELECTION, SUMMARY = "train.parquet", "selection.parquet", "selection.json"
TEXTS = ("id", "source", "question", "answer", "completion", "planted")


@dataclass(frozen=True)
class Pool:
    """The candidates, in the order of their file."""

    table: pa.Table
    """`TEXTS`, a row per candidate."""
    row_of: Mapping[str, int]
    tokens: NDArray[np.int64]
    """Length of prompt and completion together."""
    planted: NDArray[np.str_]
    """The generator's fault in each row; empty where there is none."""

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, ids: list[str]) -> NDArray[np.int64]:
        """Where these ids stand; ids of the target sample, which are not in the pool, are left out."""
        return np.array([self.row_of[each] for each in ids if each in self.row_of], dtype=np.int64)


@dataclass(frozen=True)
class Spent:
    """What an arm's selection costs, beside training on it."""

    represent: Cost
    """Of the representations, and of training that was done for them alone."""
    select: Cost
    """Mean over the seeds."""
    train_flops: float
    """Reference FLOPs of one pass of training over the selection, mean over the seeds."""
    representation_bytes: int
    """Files of the representations."""
    features_bytes: int
    """Kernel features that the selector holds in memory, float32."""


@dataclass(frozen=True)
class Look:
    """One arm at one fraction."""

    arm: str
    fraction: float | None
    is_random: bool
    ids: Mapping[int, list[str]]
    """Seed -> chosen ids, best first; the same for all seeds where the arm is deterministic."""
    summaries: Mapping[int, Mapping[str, Any]]
    """Seed -> selection.json."""
    next_ids: list[str]
    """What the order holds right after the selection of the first seed; empty for a set."""
    target_mmd_ratio: float | None
    """Squared MMD to the target over random's, mean over the seeds; null without target or vectors."""
    spent: Spent

    @property
    def first_ids(self) -> list[str]:
        """The selection of the first seed."""
        return self.ids[min(self.ids)]


def read_pool(stored: Stored) -> Pool:
    """The pool of its artifact."""
    lengths = pq.read_table(stored.folder / POOL, columns=["prompt_ids", "completion_ids"])
    prompts, completions = (pc.list_value_length(lengths[name]).to_numpy() for name in lengths.column_names)
    table = pq.read_table(stored.folder / POOL, columns=list(TEXTS))
    planted = np.asarray([fault or "" for fault in table["planted"].to_pylist()], dtype=np.str_)
    row_of = {name: row for row, name in enumerate(table["id"].to_pylist())}
    return Pool(table, row_of, (prompts + completions).astype(np.int64), planted)


def read_ids(stored: Stored) -> list[str]:
    """Chosen ids, best first."""
    found: list[str] = pq.read_table(stored.folder / SELECTION, columns=["id"])["id"].to_pylist()
    return found


def read_summary(stored: Stored) -> Mapping[str, Any]:
    """selection.json."""
    found: dict[str, Any] = read_json(stored.folder / SUMMARY)
    return found


def num_bytes(folder: Path, names: Mapping[str, str]) -> int:
    """Size of an artifact's files together."""
    return sum((folder / name).stat().st_size for name in names)
