"""Readers of each type of file: a path gives rows, one at a time where the type allows it.

A file is read as what it holds, not as what its name says, where the two can be told apart: packed or not, UTF-8 or
marked UTF-16, JSON Lines or a list. What is damaged or has two readings is one DataError that names file and row.
"""

import csv
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from winnow.errors import DataError
from winnow.files import check_regular
from winnow.pool.json_rows import read_json, read_json_lines, twice
from winnow.pool.opening import LONGEST_TEXT, check_same, faults_of, lines_of, open_text, read_whole

Rows = Iterator[dict[str, Any]]

FIELD_LIMIT = threading.Lock()
"""Held while the csv module takes long fields: its limit is one for the whole process."""


def read_file(path: Path) -> Rows:
    """The rows of a file, by the ending of its name. Raises DataError naming the file, and the line if there is one."""
    reader = reader_of(path)
    with faults_of(path):
        before = check_regular(path)
        yield from reader(path)
        check_same(path, before)


def reader_of(path: Path) -> Callable[[Path], Rows]:
    """The reader for a file of this name. Raises DataError listing the known types."""
    ending = next((ending for ending in READERS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise DataError(f"{path.absolute()} is of no known type; allowed are {', '.join(READERS)}")
    return READERS[ending]


def read_parquet(path: Path) -> Rows:
    """The rows of a Parquet file, in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = str(path.absolute())
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            check_distinct(names, place)
            for batch in file.iter_batches(batch_size=4096):
                columns = [values_of(column, name, place) for name, column in zip(names, batch.columns, strict=True)]
                yield from (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    except pa.ArrowException as error:
        raise DataError(f"{place} is not a Parquet file, or damaged: {error}; get it again") from error


def values_of(column: Any, name: str, place: str) -> list[Any]:
    """The values of an Arrow column; as text those of a kind that Python does not have, such as nanoseconds."""
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError as error:
        raise DataError(f"{place}, column {name!r}, holds bytes that are not UTF-8 text; convert the column") from error
    except (ValueError, TypeError, LookupError, OverflowError):
        try:
            return list(column.cast(pa.string()).to_pylist())
        except pa.ArrowException as error:
            reason = f"is of type {column.type}, which cannot be read"
            raise DataError(f"{place}, column {name!r}, {reason}; convert it, or leave it out") from error


def check_distinct(names: Sequence[str], place: str) -> None:
    """Raises DataError where two columns have one name: only one of them would be seen."""
    name = twice(names)
    if name is not None:
        raise DataError(f"{place} has two columns named {name!r}; rename one")


def read_csv(path: Path) -> Rows:
    """The rows of a CSV file whose first line names the columns; all values are text."""
    place = str(path.absolute())
    with open_text(path) as file:
        records = filter(None, records_of(lines_of(file, place), place))
        names = next(records, [])
        check_distinct(names, place)
        for number, values in enumerate(records, start=2):
            if len(values) != len(names):
                raise DataError(f"{place}, row {number}, has not as many columns as its first line; mend it")
            yield dict(zip(names, values, strict=True))


def records_of(lines: Iterable[str], place: str) -> Iterator[list[str]]:
    """The values of each record, however long. Raises DataError where quotes do not close."""
    reader = csv.reader(lines, strict=True)
    while True:
        with FIELD_LIMIT:
            limit = csv.field_size_limit(LONGEST_TEXT - 1)
            try:
                values = next(reader, None)
            except csv.Error as error:
                reason = f"is not CSV: {error}; mend its quotes, or get the file again"
                raise DataError(f"{place}, line {reader.line_num}, {reason}") from error
            finally:
                csv.field_size_limit(limit)
        if values is None:
            return
        yield values


def read_text(path: Path) -> Rows:
    """One row with the column `text`, the whole file."""
    with open_text(path) as file:
        yield {"text": read_whole(file, str(path.absolute()))}


TEXTS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".txt": read_text,
}
READERS = {f"{ending}{packed}": read for ending, read in TEXTS.items() for packed in ("", ".gz", ".zst")} | {
    ".parquet": read_parquet
}
"""Ending of the name -> reader."""
