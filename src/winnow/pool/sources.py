"""The rows of a source, as its files or hub data set hold them.

    for row in read_rows(source): ...       # plain dicts, in the order of the files
    digests = source_digests(source)        # what goes into a fingerprint

Types of files are in `file_types.py`, hub data sets in `hub.py`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from winnow.errors import DataError, nearest
from winnow.files import check_regular
from winnow.pool.file_types import read_file, reader_of
from winnow.pool.hub import HUB, hub_files, read_hub
from winnow.pool.opening import faults_of
from winnow.recipe import SourceRecipe
from winnow.store import hash_file
from winnow.text.cells import shortened

Row = dict[str, Any]


def read_rows(source: SourceRecipe) -> Iterator[Row]:
    """The rows that `source.where` keeps. Raises DataError where there are none or a file is not what its name says."""
    found = kept = 0
    first: Row = {}
    for row in every_row(source):
        first = first or row
        found += 1
        if all(matches(row, column, value, source) for column, value in (source.where or {}).items()):
            kept += 1
            yield row
    if not kept:
        reason = f"`where` keeps none of its {found} rows ({told(first, source)})" if found else "it has no rows"
        raise DataError(f"source {source.name!r} is empty: {reason}; see {', '.join(paths_of(source))}")


def every_row(source: SourceRecipe) -> Iterator[Row]:
    """All rows of the source's files."""
    for path, files in files_by_path(source).items():
        if path.startswith(HUB):
            yield from read_hub(source, path)
        for file in files:
            yield from read_file(file)


def locate(source: SourceRecipe) -> list[Path]:
    """The files of a source, sorted; none for a hub data set. Raises DataError as `files_by_path`."""
    return sorted(file for files in files_by_path(source).values() for file in files)


def files_by_path(source: SourceRecipe) -> dict[str, list[Path]]:
    """Each path of a source and the files that it matches; none for a hub data set.

    Raises DataError where one matches nothing, or what another one matches: its rows would be there twice.
    """
    found: dict[str, list[Path]] = {}
    places: dict[str, str] = {}
    for path in paths_of(source):
        files = [] if path.startswith(HUB) else matching_files(source, path)
        for place in [os.path.abspath(file) for file in files] or [path]:  # noqa: PTH100 (links stay apart)
            if place in places:
                raise DataError(
                    f"source {source.name!r} reads {place} twice, by {places[place]!r} and by {path!r}; "
                    "name each file once"
                )
            places[place] = path
        found[path] = files
    return found


def source_digests(source: SourceRecipe) -> dict[str, str]:
    """Path as written in the recipe or below it -> sha256 of the file; for a hub data set its revision."""
    hubs = [path for path in paths_of(source) if path.startswith(HUB)]
    files = [*locate(source), *(file for path in hubs for file in hub_files(path))]
    revision = source.revision or "main"
    return {file.as_posix(): digest_of(file) for file in files} | {
        path: revision for path in hubs if not hub_files(path)
    }


def digest_of(file: Path) -> str:
    """sha256 of a file. Raises DataError where it cannot be read."""
    with faults_of(file):
        return hash_file(file)


def paths_of(source: SourceRecipe) -> tuple[str, ...]:
    """The paths of a source; none where it is generated."""
    if source.path is None:
        return ()
    return (source.path,) if isinstance(source.path, str) else source.path


def matching_files(source: SourceRecipe, path: str) -> list[Path]:
    """The files that a glob matches, sorted; the glob is read from the current folder.

    Raises DataError where there are none, and where one is no file, or of no known type: nothing is passed over but
    the folders that a glob matches.
    """
    try:
        pattern = Path(path).expanduser()
        files = [pattern] if os.path.lexists(pattern) else sorted(glob(pattern))
        for file in files:
            check_regular(file)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"source {source.name!r} has the path {path!r}, but {why_not(error)}; {NAMING}") from error
    if not files:
        place = pattern.absolute()
        raise DataError(f"source {source.name!r} finds no file at {place}; mend its path, or run from another folder")
    for file in files:
        reader_of(file)
    return files


NAMING = "name a file, or files as in folder/*.jsonl"


def glob(pattern: Path) -> Iterator[Path]:
    """What a pattern matches, but for folders."""
    root = Path(pattern.anchor)
    return (file for file in root.glob(str(pattern.relative_to(root))) if not file.is_dir())


def why_not(error: Exception) -> str:
    """Why a path gives no files, in a clause."""
    if isinstance(error, OSError):
        return f"{Path(error.filename or '').absolute()} {error.strerror}"
    return f"that is no path ({str(error).rstrip('.')})"


def column(row: Row, name: str, source: SourceRecipe) -> Any:
    """The value of a column. Raises DataError listing the columns there are."""
    if name not in row:
        raise missing_column(row, name, source)
    return row[name]


def missing_column(row: Row, name: str, source: SourceRecipe) -> DataError:
    """The error for a column that a row does not have."""
    return DataError(
        f"source {source.name!r} has no column {name!r}{nearest(name, row)}; "
        f"its columns are {', '.join(map(str, row))}; name another format or mend `fields`"
    )


def matches(row: Row, name: str, value: str, source: SourceRecipe) -> bool:
    """Whether a row's column has this value: a text as it stands, all else as JSON spells it, such as true."""
    return spelled(column(row, name, source)) == value


def spelled(value: Any) -> str:
    """A value as a recipe says it."""
    is_json = isinstance(value, bool | list | dict | None)
    return json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value)


def told(row: Row, source: SourceRecipe) -> str:
    """What a row has in the columns that `where` asks for."""
    held = [f"{name}: {shortened(spelled(row[name]))}" for name in source.where or {}]
    return f"the first has {', '.join(held)}"
