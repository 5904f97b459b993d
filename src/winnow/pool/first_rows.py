"""The first rows of a source's files, read as the pool reads them: what they lack is told before anything is made.

for mistake in first_mistakes(source, must_exist=True): print(mistake)
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from winnow.errors import DataError, WinnowError
from winnow.pool.file_types import read_file
from winnow.pool.formats import TEXT, reader_of
from winnow.pool.hub import HUB, is_local
from winnow.pool.loading import parts_of, scores_of
from winnow.pool.sources import Row, column, files_by_path, matches, missing_column, paths_of
from winnow.recipe import SourceRecipe
from winnow.recipe.row_templates import columns_of

ROWS, FILES = 20, 200
"""So many rows of so many files of a source are looked at."""
OF_ONE_SHAPE = ".csv", ".csv.gz", ".parquet"
"""Types of files whose rows all have the same columns."""
LARGEST_JSON_BYTES = 1 << 24
"""A larger file of one JSON value, which is read whole, is left for the pool."""


def first_mistakes(source: SourceRecipe, *, has_text: bool = False, must_exist: bool = True) -> list[str]:
    """What is wrong with the paths, the format or the first rows of a source; a line each.

    `has_text`: plain documents are welcome. Without `must_exist` files that are not here are passed over, as where
    a plan goes by declared sizes.
    """
    try:
        if not (has_text and source.format == TEXT):
            reader_of(source)
    except WinnowError as error:
        return [f"source {source.name!r}: {error}"]
    try:
        check_folders(source)
        files = [file for matched in files_by_path(source).values() for file in matched]
    except WinnowError as error:
        return [str(error)] if must_exist else []
    found = dict.fromkeys(mistake for file in files[:FILES] for mistake in _of_file(source, file))
    if not found and files and not any(path.startswith(HUB) for path in paths_of(source)) and _is_empty(files):
        found[f"source {source.name!r} is empty: it has no rows; see {', '.join(paths_of(source))}"] = None
    return list(found)


def check_folders(source: SourceRecipe) -> None:
    """Raises DataError where a data set's folder, which another library reads, is not there."""
    for path in paths_of(source):
        name = path.removeprefix(HUB)
        if path.startswith(HUB) and is_local(name) and not Path(name).is_dir():
            raise DataError(f"source {source.name!r} finds no folder at {Path(name).absolute()}; mend its path")


def _of_file(source: SourceRecipe, file: Path) -> Iterator[str]:
    """The first thing that is wrong in the first rows of a file."""
    try:
        for row in islice(_rows(file), ROWS):
            if all(matches(row, name, value, source) for name, value in (source.where or {}).items()):
                _read(row, source)
            if source.has_templates and file.name.lower().endswith(OF_ONE_SHAPE):
                _check_named(row, source)
    except WinnowError as error:
        yield str(error)


def _rows(file: Path) -> Iterator[Row]:
    is_whole = file.name.lower().endswith((".json", ".json.gz"))
    if not (is_whole and file.stat().st_size > LARGEST_JSON_BYTES):
        yield from read_file(file)


def _read(row: Row, source: SourceRecipe) -> None:
    """As the pool does; a row that it would count and leave out is no mistake."""
    if source.format == TEXT:
        column(row, source.text_field, source)
    else:
        parts_of(row, reader_of(source), source)
        scores_of(row, source)


def _check_named(row: Row, source: SourceRecipe) -> None:
    """Raises DataError where a template names a column that the row, and so its whole file, does not have."""
    for name in (*columns_of(source.prompt or ""), *columns_of(source.completion or "")):
        if name not in row:
            raise missing_column(row, name, source)


def _is_empty(files: list[Path]) -> bool:
    if len(files) > FILES or any(file.stat().st_size > LARGEST_JSON_BYTES for file in files):
        return False
    return not any(True for file in files for _ in islice(read_file(file), 1))
