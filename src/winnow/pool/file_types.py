"""Readers of each type of file: a path gives rows, one at a time where the type allows it."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from winnow.errors import DataError

Rows = Iterator[dict[str, Any]]


def read_file(path: Path) -> Rows:
    """The rows of a file, by the ending of its name. Raises DataError naming the file, and the line if there is one."""
    name = path.name.lower()
    ending = next((ending for ending in READERS if name.endswith(ending)), None)
    if ending is None:
        raise DataError(f"{path.absolute()} is of no known type; allowed are {', '.join(READERS)}")
    try:
        yield from READERS[ending](path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path.absolute()} is not UTF-8 text ({error.reason}); convert it") from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(f"{path.absolute()} cannot be read: {error}; it may be cut short, get it again") from error


def open_text(path: Path) -> IO[str]:
    """The text of a file, unpacked where its name ends in .gz or .zst."""
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig")
    if path.name.lower().endswith(".zst"):
        import pyarrow as pa

        stream = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return io.TextIOWrapper(stream, encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def read_json_lines(path: Path) -> Rows:
    """One JSON object per line; empty lines are passed over."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                place = f"{path.absolute()}, line {number},"
                yield as_row(parse_json(line, place), place)


def read_json(path: Path) -> Rows:
    """A list of JSON objects, or one object that holds a single list under some key."""
    place = str(path.absolute())
    with open_text(path) as file:
        tree = parse_json(file.read(), place)
    if isinstance(tree, dict):
        lists = [value for value in tree.values() if isinstance(value, list)]
        tree = lists[0] if len(lists) == 1 else tree
    if not isinstance(tree, list):
        raise DataError(f"{place} holds no list of rows; use JSON Lines or a JSON list of objects")
    for number, row in enumerate(tree, start=1):
        yield as_row(row, f"{place}, row {number},")


def parse_json(text: str, place: str) -> Any:
    """The JSON value in a text; `place` opens the message of the error."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{place} is not JSON: {error}; mend or remove it") from error


def as_row(value: Any, place: str) -> dict[str, Any]:
    """The value, where it is an object."""
    if not isinstance(value, dict):
        raise DataError(f"{place} is a {type(value).__name__}, not an object with columns; mend or remove it")
    return value


def read_parquet(path: Path) -> Rows:
    """The rows of a Parquet file, in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path.absolute()} is not a Parquet file: {str(error).splitlines()[0]}") from error


def read_csv(path: Path) -> Rows:
    """The rows of a CSV file whose first line names the columns; all values are text."""
    with open_text(path) as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if None in row or None in row.values():
                raise DataError(f"{path.absolute()}, row {number}, has not as many columns as its first line; mend it")
            yield dict(row)


def read_text(path: Path) -> Rows:
    """One row with the column `text`, the whole file."""
    with open_text(path) as file:
        yield {"text": file.read()}


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": read_json_lines,
    ".jsonl.gz": read_json_lines,
    ".jsonl.zst": read_json_lines,
    ".json": read_json,
    ".json.gz": read_json,
    ".parquet": read_parquet,
    ".csv": read_csv,
    ".csv.gz": read_csv,
    ".txt": read_text,
}
"""Ending of the name -> reader."""
