"""The rows that a caller hands over, read as Arrow tables, whatever they come as.

rows = open_rows("train.parquet", "dataset")
for table in rows.batches(["prompt", "completion"]): ...
chosen = rows.take(indices)
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.files import check_regular
from winnow.pool.file_types import check_distinct, read_file
from winnow.pool.hub import HUB, first_line, load_hub
from winnow.pool.json_rows import NESTED, check_characters, check_depth
from winnow.pool.opening import check_same, faults_of
from winnow.pool.sources import locate
from winnow.recipe import SourceRecipe
from winnow.select_api.columns import array_of, conform, shared_schema, without_views
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
    """Rows of an Arrow table. Raises DataError where two columns have one name, or rows cannot be taken of one."""

    def __init__(self, table: pa.Table, what: str) -> None:
        self.columns = list(table.column_names)
        check_distinct(self.columns, what)
        try:
            self.table, self.what = conform(table, without_views(table.schema)), what
            self.take(np.zeros(0, dtype=np.int64))
        except pa.ArrowException as error:
            raise DataError(
                f"{what} has a column of a type of which rows cannot be taken ({first_line(error)}); convert it"
            ) from error

    def __len__(self) -> int:
        return len(self.table)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As GivenRows."""
        chosen = self.table.select(list(columns))
        yield from (_sound(chosen.slice(start, BATCH), self.what) for start in range(0, len(chosen), BATCH))

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
        yield from (_sound(view[start : start + BATCH], "the data set") for start in range(0, len(view), BATCH))

    def take(self, rows: IntArray) -> pa.Table:
        """As GivenRows."""
        return self.dataset.select(rows).with_format("arrow")[:]


class ParquetRows:
    """Rows of Parquet files, which stay on disk; with the columns of all of them, null where a file lacks one.

    Raises DataError, before any row is read, for what is no Parquet file and for columns whose types do not go
    together; and, whenever rows are read, where a file is no longer the one that it was.
    """

    def __init__(self, files: Sequence[Path], what: str) -> None:
        self.files = {file: _looked_at(file) for file in files}
        self.schema = shared_schema({file: found.schema for file, found in self.files.items()}, what)
        self.columns = list(self.schema.names)
        self.what = what
        self._try_promoting()

    def __len__(self) -> int:
        return sum(file.rows for file in self.files.values())

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As GivenRows."""
        yield from (_sound(table, self.what) for table in self._read(columns))

    def take(self, rows: IntArray) -> pa.Table:
        """As GivenRows; reads the files once and keeps the chosen rows alone."""
        is_chosen = np.zeros(len(self), dtype=bool)
        is_chosen[rows] = True
        kept, start = [], 0
        for table in self._read(self.columns):
            kept.append(table.filter(pa.array(is_chosen[start : start + len(table)])))
            start += len(table)
        place = np.cumsum(is_chosen) - 1
        return pa.concat_tables(kept).take(place[rows])

    def _try_promoting(self) -> None:
        """Bring to the shared types once what is of another: a whole number may not fit among fractions."""
        for path, found in self.files.items():
            others = [field.name for field in found.schema if field.type != self.schema.field(field.name).type]
            schema = pa.schema([self.schema.field(name) for name in others])
            with _parquet_faults(path):
                for table in _tables(path, others) if others else ():
                    _conformed(table, schema, path)

    def _read(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        schema = pa.schema([self.schema.field(name) for name in columns], metadata=self.schema.metadata)
        for path, found in self.files.items():
            with _parquet_faults(path):
                check_same(path, found.status)
                yield from (_conformed(table, schema, path) for table in _tables(path, schema.names))


@dataclass(frozen=True)
class _LookedAt:
    """What is known of a Parquet file from its end."""

    status: os.stat_result
    schema: pa.Schema
    rows: int


def _looked_at(path: Path) -> _LookedAt:
    with _parquet_faults(path):
        status, metadata = check_regular(path), pq.read_metadata(path)
        return _LookedAt(status, metadata.schema.to_arrow_schema(), metadata.num_rows)


@contextmanager
def _parquet_faults(path: Path) -> Iterator[None]:
    try:
        with faults_of(path):
            yield
    except pa.ArrowException as error:
        raise DataError(f"{path.absolute()} is not a Parquet file, or damaged: {first_line(error)}") from error


def _tables(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Those of the columns that a Parquet file has, some rows at a time."""
    with pq.ParquetFile(path) as file:
        names = [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=BATCH, columns=names):
            yield pa.Table.from_batches([batch])


def _conformed(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    try:
        return conform(table, schema)
    except pa.ArrowException as error:
        types = ", ".join(f"{field.name!r} as {field.type}" for field in schema)
        raise DataError(
            f"{path.absolute()} has values that do not fit the other files' types ({first_line(error)}); "
            f"they would be read as {types}: make them one type"
        ) from error


def _sound(table: pa.Table, what: str) -> pa.Table:
    """The table. Raises DataError where its text is not UTF-8, which Arrow does not look at by itself."""
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise DataError(f"{what} has damaged values: {first_line(error)}; mend or convert them") from error
    return table


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
        return TableRows(data, what)
    if isinstance(data, str | Path):
        return _open_path(str(data), what, split)
    if isinstance(data, list | tuple) and all(isinstance(row, dict) for row in data):
        return TableRows(table_of(iter(data), what), what)
    raise DataError(f"{what} is a {type(data).__name__}; allowed are {ALLOWED}")


def _open_path(path: str, what: str, split: str) -> GivenRows:
    # Not validated: `locate` says in one line what is wrong with a path that a recipe could not hold either.
    source = SourceRecipe.model_construct(name="given", licence="unknown", path=path, format="text", split=split)
    try:
        if path.startswith(HUB):
            return DatasetRows(load_hub(source, path))
        files = locate(source)
    except DataError as error:
        raise DataError(str(error).replace("source 'given'", what, 1)) from error
    if all(file.name.lower().endswith(".parquet") for file in files):
        return ParquetRows(files, what)
    return TableRows(table_of((row for file in files for row in read_file(file)), what), what)


def table_of(rows: Iterator[dict[str, Any]], what: str) -> pa.Table:
    """Dicts as a table with the columns of all of them; what a row lacks is null.

    Raises DataError for mixed types, and for what cannot stand in a table, with the number of its row.
    """
    tables: list[pa.Table] = []
    start = 0
    while chunk := list(islice(rows, BATCH)):
        names = dict.fromkeys(name for row in chunk for name in row)
        tables.append(pa.table({name: _column(name, chunk, start, what) for name in names}))
        start += len(chunk)
    schema = shared_schema(dict(enumerate(table.schema for table in tables)), what)
    try:
        return pa.concat_tables([conform(table, schema) for table in tables]) if tables else pa.table({})
    except pa.ArrowException as error:
        raise DataError(f"{what} has a column of mixed types ({first_line(error)}); make it one type") from error


def _column(name: Any, rows: list[dict[str, Any]], start: int, what: str) -> pa.Array:
    if not isinstance(name, str):
        raise DataError(f"{what} has a column named {name!r}, a {type(name).__name__}; names are text")
    for number, row in enumerate(rows, start=start + 1):
        if isinstance(row.get(name), NESTED):
            check_depth({name: row[name]}, f"row {number} of {what}")
    try:
        name.encode()
        return array_of([row.get(name) for row in rows])
    except UnicodeEncodeError as error:
        for number, row in enumerate(rows, start=start + 1):
            check_characters({name: row.get(name)}, f"row {number} of {what}")
        raise DataError(f"{what} has half of a character in column {name!r}; mend it") from error
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        reason = first_line(error)
        raise DataError(
            f"{what} has mixed types, or one that no table holds, in column {name!r} ({reason}); make it one type"
        ) from error
