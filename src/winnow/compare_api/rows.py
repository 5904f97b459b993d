"""Tidy rows of runs that others made, read and checked.

A row is one measurement: `arm`, `seed`, `metric`, `value`, and where they are known `step` and `cost` (what the run had
cost by then). Rows come as dicts, a data frame, an Arrow table, or CSV, JSONL and Parquet files.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Number
from pathlib import Path
from typing import Any

import numpy as np

from winnow.analysis.given_runs import GivenRun, Point
from winnow.errors import DataError, nearest, shown
from winnow.pool.file_types import READERS, check_distinct, read_file, values_of

Rows = Iterable[Mapping[str, Any]]
NEEDED = ("arm", "seed", "metric", "value")
ENDINGS = tuple(ending for ending in READERS if not ending.startswith(".txt"))
LARGEST = 1e100
"""Of a measurement; the squares of far larger ones are no numbers."""
LARGEST_SEED = 2**64
LONGEST_NAME = 200
"""Characters of an arm's or metric's name."""


def rows_of(given: Any) -> Iterator[Mapping[str, Any]]:
    """The rows of whatever holds them, as dicts. Raises DataError naming what is allowed."""
    if isinstance(given, str | Path):
        yield from rows_of_file(Path(given))
    elif hasattr(given, "to_dicts"):  # polars
        yield from given.to_dicts()
    elif hasattr(given, "to_pylist"):  # Arrow
        yield from _rows_of_table(given)
    elif hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas
        check_distinct(list(given.columns), "the data frame")
        yield from given.astype(object).where(given.notna(), None).to_dict(orient="records")
    elif isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        for each in given:
            yield from [each] if isinstance(each, Mapping) else rows_of(_path(each))
    else:
        raise DataError(f"runs are given as {type(given).__name__}; {ALLOWED}")


ALLOWED = "give a list of dicts, a data frame, or the paths of CSV, JSONL or Parquet files"


def _rows_of_table(given: Any) -> Iterator[Any]:
    names = getattr(given, "column_names", None)
    if names is None:
        yield from given.to_pylist()
        return
    check_distinct(names, "the table")
    columns = [values_of(given[name], name, "the table") for name in names]
    yield from (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _path(given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise DataError(f"a row is of type {type(given).__name__}; {ALLOWED}")
    return Path(given)


def rows_of_file(path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a table. Raises DataError where the path is of none."""
    if not path.name.lower().endswith(ENDINGS) or not os.path.lexists(path):
        raise DataError(f"{path} is no file of runs; give one that ends in {', '.join(ENDINGS)}")
    yield from read_file(path)


def runs_of(rows: Rows, *, cost: str) -> list[GivenRun]:
    """The runs in the rows, in the order of their first rows; `cost` names the column of costs.

    Raises DataError for a missing column, a value that is no number, a seed that is no whole number, or two rows for
    one arm, seed, step and metric.
    """
    found: dict[tuple[str, int], dict[str, dict[float, Point]]] = {}
    for number, row in enumerate(rows, start=1):
        _check_columns(row, number)
        arm, metric = (_name(row[column], column, number) for column in ("arm", "metric"))
        seed = _seed(row["seed"], number)
        step = 0.0 if _is_missing(row.get("step")) else _number(row["step"], "step", number)
        point = Point(step, _number(row["value"], "value", number), _cost(row.get(cost), cost, number))
        points = found.setdefault((arm, seed), {}).setdefault(metric, {})
        if step in points:
            raise DataError(
                f"row {number} is the second for arm {arm}, seed {seed}, step {step:g}, metric {metric}; keep one: "
                "leave out other splits or sets, or put their names into the metric's"
            )
        points[step] = point
    if not found:
        raise DataError(f"there are no rows; {ALLOWED}, one measurement in each row")
    return [
        GivenRun(arm, seed, {name: tuple(points[step] for step in sorted(points)) for name, points in metrics.items()})
        for (arm, seed), metrics in found.items()
    ]


def _check_columns(row: Mapping[str, Any], number: int) -> None:
    if not isinstance(row, Mapping):
        raise DataError(f"row {number} is of type {type(row).__name__}; {ALLOWED}, one measurement in each row")
    needs = f"each row needs {', '.join(NEEDED)}, and may have step and cost"
    for column in NEEDED:
        if column not in row:
            names = [key for key in row if isinstance(key, str) and key]
            raise DataError(f"row {number} has no {column}{nearest(column, names)}; {needs}")
        if row[column] is None or (isinstance(row[column], str) and not row[column]):
            raise DataError(f"row {number} has an empty {column}; {needs}: fill it, or leave the row out")


def _name(value: Any, column: str, row: int) -> str:
    """The name of an arm or a metric, which tables and sentences show."""
    name = str(value) if isinstance(value, str | np.generic) or _is_short(value) else ""
    if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise DataError(
            f"row {row} has the {column} {shown(value)}; a name is one line of 1 to {LONGEST_NAME} visible "
            "characters, without spaces around it"
        )
    return name


def _is_short(value: Any) -> bool:
    """Whether a value is a number that can be a name."""
    return isinstance(value, int | float) and abs(value) < LARGEST_SEED


def _number(value: Any, column: str, row: int) -> float:
    is_given = isinstance(value, str | Number | np.generic) and not isinstance(value, bool | np.bool_)
    try:
        number = float(value) if is_given and "_" not in str(value) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= LARGEST:
        raise DataError(
            f"row {row} has the {column} {shown(value)}; it must be a finite number, at most {LARGEST:g} in size: "
            "leave out what failed"
        )
    return number


def _seed(value: Any, row: int) -> int:
    """A seed, exactly: fractions beyond 2^53 would become each other."""
    number = _number(value, "seed", row)
    seed = None
    if isinstance(value, str | Integral):
        with suppress(ValueError):  # such as 3.0
            seed = int(value)
    if seed is None and number == int(number) and abs(number) < 2**53:
        seed = int(number)
    if seed is None or abs(seed) >= LARGEST_SEED:
        raise DataError(f"row {row} has the seed {shown(value)}; it must be a whole number")
    return seed


def _cost(value: Any, column: str, row: int) -> float | None:
    return None if _is_missing(value) else _number(value, column, row)


def _is_missing(value: Any) -> bool:
    """An empty cell, also as data frames write it."""
    return value is None or (isinstance(value, str) and not value) or (isinstance(value, float) and math.isnan(value))


def check_names(runs: Sequence[GivenRun], *, metric: str, arms: Mapping[str, str | None]) -> None:
    """Raises DataError where no run has the metric, or none is of an arm that is asked for by this option."""
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    if metric not in metrics:
        raise DataError(f"no row has the metric {metric!r}{nearest(metric, metrics)}; there are {', '.join(metrics)}")
    known = dict.fromkeys(run.arm for run in runs if metric in run.metrics)
    for option, name in arms.items():
        if name is not None and name not in known:
            raise DataError(
                f"{option} is {name!r}{nearest(name, known)}; the arms with {metric} are {', '.join(known)}"
            )
