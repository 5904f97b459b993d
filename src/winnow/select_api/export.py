"""Chosen rows as a folder that `datasets.load_dataset` reads: shards, and a card.

    write_dataset(Path("chosen"), rows, Chosen(ids, sources), facts, "parquet")

Nothing is to be seen under the folder's name until all of it is there.
"""

import json
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.errors import DataError
from winnow.files import sync
from winnow.pool.hub import first_line
from winnow.select_api.card import Facts, card
from winnow.store import write_atomic

FORMATS = ("parquet", "jsonl")
SHARD_BYTES = 500_000_000
"""Rows in one file, as they lie in memory."""
MEANINGS = {
    "winnow_id": "the row's id, a hash of its content or one that it came with",
    "winnow_rank": "its place in the selection, 0 the best",
    "winnow_source": "the source that it comes from",
    "winnow_weight": "how much it counts in training; the mean is 1",
    "winnow_score": "the number that the selector went by",
}


@dataclass(frozen=True)
class Chosen:
    """What winnow says of each chosen row, best first."""

    ids: list[str]
    sources: list[str]
    weights: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None

    def columns(self) -> dict[str, Any]:
        """The added columns that there is something in."""
        made = {
            "winnow_id": self.ids, "winnow_rank": np.arange(len(self.ids)), "winnow_source": self.sources,
            "winnow_weight": self.weights, "winnow_score": self.scores,
        }  # fmt: skip
        return {name: values for name, values in made.items() if values is not None}


def check_export(folder: Path, format: str) -> None:
    """Raises DataError where there is something under the name of an export, or its format is none."""
    if format not in FORMATS:
        raise DataError(f"the format of an export is {format!r}; it must be {' or '.join(FORMATS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there and not empty; export into a new folder, or remove it")


def write_dataset(folder: Path, rows: pa.Table, chosen: Chosen, facts: Facts, format: str) -> Path:
    """Write rows (best first) in their own columns, what winnow says of them in others, and a card.

    An added column whose name a row uses already ends in `_2`. Raises DataError where the folder is not empty, the
    format is none, or JSON cannot hold a value.
    """
    check_export(folder, format)
    added = {_free_name(name, rows.column_names): values for name, values in chosen.columns().items()}
    for name, values in added.items():
        rows = rows.append_column(name, pa.array(values))
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    (partial / "data").mkdir(parents=True)
    try:
        _write_shards(rows, partial / "data", format)
        fields = {name: MEANINGS[kind] for name, kind in zip(added, chosen.columns(), strict=True)}
        files = f"data/train-*.{format}"
        write_atomic(partial / "README.md", card(facts, fields, folder=folder.name, data_files=files))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _free_name(name: str, taken: Collection[str]) -> str:
    number = 2
    found = name
    while found in taken:
        found = f"{name}_{number}"
        number += 1
    return found


def _write_shards(rows: pa.Table, folder: Path, format: str) -> None:
    count = max(1, -(-rows.nbytes // SHARD_BYTES))
    size = -(-len(rows) // count)
    write = _write_parquet if format == "parquet" else _write_json_lines
    for number in range(count):
        path = folder / f"train-{number:05d}-of-{count:05d}.{format}"
        write(rows.slice(number * size, size), path)
        sync(path)


def _write_parquet(rows: pa.Table, path: Path) -> None:
    try:
        pq.write_table(rows, path, compression="zstd")
        pq.read_schema(path)  # what is nested too deeply is written, and cannot be read
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"Parquet cannot hold these rows ({first_line(error)}); export as jsonl") from error


def _write_json_lines(rows: pa.Table, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            for batch in rows.to_batches(max_chunksize=4096):
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
    except (TypeError, UnicodeError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"JSON cannot hold a value of these rows ({error}); export as parquet") from error
