"""The rows that a caller hands over, read as Arrow tables, whatever they come as.

rows = open_rows("train.parquet", "dataset")
for table in rows.batches(["prompt", "completion"]): ...
chosen = rows.take(indices)
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.pool.file_types import read_file
from winnow.pool.hub import HUB, load_hub
from winnow.pool.sources import locate
from winnow.recipe import SourceRecipe
from winnow.selection.views import IntArray

BATCH = 16_384
"""Rows that are read together."""
ALLOWED = "a datasets.Dataset, a list of dicts, an Arrow table, the path of a file or hf://owner/name"


class GivenRows(Protocol):
    """Rows with named columns, in an order of their own."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        ...

    def __len__(self) -> int: ...

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of all rows, some rows at a time."""
        ...

    def take(self, rows: IntArray) -> pa.Table:
        """All columns of these rows, in this order."""
        ...


class TableRows:
    """Rows of an Arrow table."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.columns = list(table.column_names)

    def __len__(self) -> int:
        return len(self.table)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As GivenRows."""
        chosen = self.table.select(list(columns))
        yield from (chosen.slice(start, BATCH) for start in range(0, len(chosen), BATCH))

    def take(self, rows: IntArray) -> pa.Table:
        """As GivenRows."""
        return self.table.take(rows)


class DatasetRows:
    """Rows of a `datasets.Dataset`, read from where it keeps them."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.columns = list(dataset.column_names)

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As GivenRows."""
        view = self.dataset.select_columns(list(columns)).with_format("arrow")
        yield from (view[start : start + BATCH] for start in range(0, len(view), BATCH))

    def take(self, rows: IntArray) -> pa.Table:
        """As GivenRows."""
        return self.dataset.select(rows).with_format("arrow")[:]


class ParquetRows:
    """Rows of Parquet files, which stay on disk."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        try:
            self.columns = list(pq.read_schema(self.files[0]).names)
            self.size = sum(pq.read_metadata(file).num_rows for file in self.files)
        except pa.ArrowException as error:
            raise DataError(f"{self.files[0]} is not a Parquet file: {str(error).splitlines()[0]}") from error

    def __len__(self) -> int:
        return self.size

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As GivenRows."""
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=BATCH, columns=list(columns)):
                    yield pa.Table.from_batches([batch])

    def take(self, rows: IntArray) -> pa.Table:
        """As GivenRows; reads the files once and keeps the chosen rows alone."""
        is_chosen = np.zeros(len(self), dtype=bool)
        is_chosen[rows] = True
        kept, start = [], 0
        for table in self.batches(self.columns):
            kept.append(table.filter(pa.array(is_chosen[start : start + len(table)])))
            start += len(table)
        place = np.cumsum(is_chosen) - 1
        return pa.concat_tables(kept).take(place[rows])


def open_rows(data: Any, what: str, *, split: str = "train") -> GivenRows:
    """The rows of whatever was given; `what` names the argument in messages.

    `split` is that of a hub data set. Raises DataError where it is nothing that can be read, or empty.
    """
    rows = _open(data, what, split)
    if not len(rows):
        raise DataError(f"{what} has no rows; give at least one")
    return rows


def is_dataset(data: Any) -> bool:
    """Whether this is a `datasets.Dataset`; who has one has imported its library."""
    datasets = sys.modules.get("datasets")
    return datasets is not None and isinstance(data, datasets.Dataset)


def _open(data: Any, what: str, split: str) -> GivenRows:
    if is_dataset(data):
        return DatasetRows(data)
    if isinstance(data, pa.Table):
        return TableRows(data)
    if isinstance(data, str | Path):
        return _open_path(str(data), what, split)
    if isinstance(data, list | tuple) and all(isinstance(row, dict) for row in data):
        return TableRows(table_of(iter(data), what))
    raise DataError(f"{what} is a {type(data).__name__}; allowed are {ALLOWED}")


def _open_path(path: str, what: str, split: str) -> GivenRows:
    source = SourceRecipe(name="given", licence="unknown", path=path, format="text", split=split)
    try:
        if path.startswith(HUB):
            return DatasetRows(load_hub(source, path))
        files = locate(source)
    except DataError as error:
        raise DataError(str(error).replace("source 'given'", what, 1)) from error
    if all(file.name.lower().endswith(".parquet") for file in files):
        return ParquetRows(files)
    return TableRows(table_of((row for file in files for row in read_file(file)), what))


def table_of(rows: Iterator[dict[str, Any]], what: str) -> pa.Table:
    """Dicts as a table with the columns of all of them; what a row lacks is null. Raises DataError for mixed types."""
    tables: list[pa.Table] = []
    while chunk := list(islice(rows, BATCH)):
        names = dict.fromkeys(name for row in chunk for name in row)
        tables.append(pa.table({name: _column(name, chunk, what) for name in names}))
    try:
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    except pa.ArrowException as error:
        raise DataError(
            f"{what} has a column of mixed types ({str(error).splitlines()[0]}); make it one type"
        ) from error


def _column(name: str, rows: list[dict[str, Any]], what: str) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except (pa.ArrowException, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{what} has mixed types in column {name!r} ({reason}); make it one type") from error
