"""Rows that the user names in a file.

One id per line (.txt), a list (.json), or a column `id` (.jsonl, .csv, .parquet); the file's order is the selection's.
Example: `{selector: ids, options: {path: chosen.txt}}`.
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from winnow.errors import DataError
from winnow.recipe import Frozen
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen


class IdsOptions(Frozen):
    """Options of `ids`."""

    path: str
    """File of ids, from the current folder."""


def files(options: IdsOptions) -> tuple[Path, ...]:
    """The user's file."""
    return (Path(options.path),)


def num_rows(options: IdsOptions) -> int:
    """How many rows the file names."""
    return len(read_ids(Path(options.path)))


@selector(
    "ids", summary="Rows named in a file.", options=IdsOptions, takes_fraction=False, files=files, num_rows=num_rows
)
def order(pool: PoolView, *, size: int, seen: Seen, options: IdsOptions, rng: np.random.Generator) -> IntArray:
    """The named rows. Raises DataError for ids that are unknown, stand twice, or are not there at all."""
    named = read_ids(Path(options.path))
    row_of = {name: row for row, name in enumerate(pool.ids)}
    unknown = [name for name in named if name not in row_of]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(named)} ids in {options.path} are not in the pool (such as {unknown[0]!r}); "
            "take them from the column `id` of the pool's train.parquet"
        )
    repeated = len(named) - len(set(named))
    if repeated:
        twice = next(name for position, name in enumerate(named) if name in named[:position])
        raise DataError(f"{options.path} names {repeated} ids more than once (such as {twice!r}); name each once")
    return np.array([row_of[name] for name in named], dtype=np.int64)


def read_ids(path: Path) -> list[str]:
    """The ids in a file, in its order. Raises DataError, naming the file, where there are none."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} has the ending {path.suffix!r}; a file of ids ends in {', '.join(_READERS)}")
    if not path.is_file():
        raise DataError(f"{path} is not a file; option path of ids must name one")
    try:
        found = reader(path)
    except (ValueError, KeyError, TypeError, OSError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} cannot be read as ids ({why}); it needs a list, or a column `id`") from error
    if not found or not all(isinstance(name, str) for name in found):
        raise DataError(f"{path} holds {'no ids' if not found else 'ids that are not text'}; it needs one text per row")
    return found


def _from_text(path: Path) -> list[Any]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _from_json(path: Path) -> list[Any]:
    return list(json.loads(path.read_text(encoding="utf-8")))


def _from_json_lines(path: Path) -> list[Any]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _from_csv(path: Path) -> list[Any]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def _from_parquet(path: Path) -> list[Any]:
    import pyarrow.parquet

    return list(pyarrow.parquet.read_table(path, columns=["id"])["id"].to_pylist())


_READERS = {
    ".txt": _from_text,
    ".json": _from_json,
    ".jsonl": _from_json_lines,
    ".csv": _from_csv,
    ".parquet": _from_parquet,
}
