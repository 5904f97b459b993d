"""Rows in JSON: one in a line, a list of them, or one after another. What any reader would lose or trip over is told.

for row in read_json_lines(Path("rows.jsonl")): ...
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from winnow.errors import DataError
from winnow.pool.opening import lines_of, open_text, read_whole

Rows = Iterator[dict[str, Any]]

DEEPEST = 100
"""Levels of lists and objects within a row's column; Arrow ends the process somewhere beyond a thousand."""
NESTED = (dict, list, tuple)
SPACE = re.compile(r"[ \t\n\r]*")
HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Spells half of a character in JSON, which is fine beside its other half."""


def read_json_lines(path: Path) -> Rows:
    """One JSON object per line; empty lines are passed over. A file that is one list, or is indented, is read whole."""
    place = str(path.absolute())
    with open_text(path) as file:
        numbered = enumerate(lines_of(file, place), start=1)
        lines = ((number, line) for number, line in numbered if line.strip())
        first = next(lines, None)
        if first is not None and goes_on(first[1]):
            blank = "\n" * (first[0] - 1)
            yield from rows_in(blank + first[1] + read_whole(file, place), place)
            return
        for number, line in chain([first] if first else [], lines):
            where = f"{place}, line {number},"
            yield checked(parse_json(line, where), line, where)


def goes_on(line: str) -> bool:
    """Whether a first line is not a row: it begins a list of rows, or ends where a value begins."""
    line = line.strip()
    if line.startswith("["):
        return re.match(r"\[\s*(\{|$)", line) is not None
    return line.endswith(("[", "{"))


def read_json(path: Path) -> Rows:
    """A list of JSON objects, an object that holds a single list of them, or one object after another."""
    place = str(path.absolute())
    with open_text(path) as file:
        yield from rows_in(read_whole(file, place), place)


def rows_in(text: str, place: str) -> Rows:
    """The rows in a text of JSON. Raises DataError where there is no list of objects, and no two objects."""
    values = list(values_in(text, place))
    tree = values[0] if len(values) == 1 else values
    if isinstance(tree, dict):
        lists = [value for value in tree.values() if isinstance(value, list)]
        tree = lists[0] if len(lists) == 1 else tree
    if not isinstance(tree, list):
        raise DataError(
            f"{place} holds no list of rows; use a JSON list of objects, or a row in each line and the ending .jsonl"
        )
    for number, row in enumerate(tree, start=1):
        yield checked(row, text, f"{place}, row {number},")


def values_in(text: str, place: str) -> Iterator[Any]:
    """The JSON values that follow each other in a text."""
    at = len(SPACE.match(text)[0])  # type: ignore[index]
    while at < len(text):
        value, at = parsed(lambda start: DECODER.raw_decode(text, start), at, place)
        at = SPACE.match(text, at).end()  # type: ignore[union-attr]
        yield value


def parse_json(text: str, place: str) -> Any:
    """The JSON value in a text; `place` opens the message of the error."""
    return parsed(DECODER.decode, text, place)


def parsed(decode: Callable[[Any], Any], given: Any, place: str) -> Any:
    """What a decoder of JSON gives. Raises DataError for all that it cannot read."""
    try:
        return decode(given)
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{place} is not JSON: {error.msg} at {where}; mend or remove it") from error
    except ValueError as error:
        raise DataError(f"{place} {error}; mend or remove it") from error
    except RecursionError as error:
        raise DataError(f"{place} is nested too deeply to be read; mend or remove it") from error


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError where a key has two values: any reader would lose one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"has the key {twice(name for name, _ in pairs)!r} twice")
    return found


def as_integer(digits: str) -> int:
    """A JSON integer. Raises ValueError where it has too many digits for Python."""
    try:
        return int(digits)
    except ValueError as error:
        most = sys.get_int_max_str_digits()
        raise ValueError(f"holds a number of {len(digits)} digits, of which {most} can be read") from error


DECODER = json.JSONDecoder(object_pairs_hook=as_object, parse_int=as_integer)


def twice(names: Iterable[str]) -> str | None:
    """The first of some names that is there twice."""
    return next((name for name, times in Counter(names).items() if times > 1), None)


def checked(value: Any, text: str, place: str) -> dict[str, Any]:
    """The value, where it is an object of whole characters; `text` is where it was spelled."""
    if not isinstance(value, dict):
        raise DataError(f"{place} is a {type(value).__name__}, not an object with columns; mend or remove it")
    if text.count("[") + text.count("{") > DEEPEST:
        check_depth(value, place)
    if HALF.search(text):
        check_characters(value, place)
    return value


def check_depth(row: Mapping[Any, Any], place: str) -> None:
    """Raises DataError where a row holds lists or objects in more than DEEPEST levels."""
    for name, value in row.items():
        layer = [value] if isinstance(value, NESTED) else []
        levels = 0
        while layer:
            levels += 1
            if levels > DEEPEST:
                raise DataError(
                    f"{place} is nested more than {DEEPEST} levels deep in column {name!r}; mend or remove the row"
                )
            inner = (each.values() if isinstance(each, dict) else each for each in layer)
            layer = [value for values in inner for value in values if isinstance(value, NESTED)]


def check_characters(row: Mapping[Any, Any], place: str) -> None:
    """Raises DataError where a row holds half of a character (a lone surrogate), which no file and tokenizer takes."""
    for name, value in row.items():
        try:
            json.dumps([name, value], ensure_ascii=False, default=str, skipkeys=True).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise DataError(
                f"{place} holds half of a character ({half!r}, a lone surrogate) in column {name!r}; "
                "mend or remove the row"
            ) from error
