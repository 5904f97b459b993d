"""Tidy rows of runs that others made, read and checked.

A row is one measurement: `arm`, `seed`, `metric`, `value`, and where they are known `step` and `cost` (what the run had
cost by then). Rows come as dicts, a data frame, an Arrow table, or CSV, JSONL and Parquet files.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from winnow.analysis.given_runs import GivenRun, Point
from winnow.errors import DataError, nearest

Rows = Iterable[Mapping[str, Any]]
NEEDED = ("arm", "seed", "metric", "value")
ENDINGS = (".csv", ".jsonl", ".parquet")
LOWER = {"loss", "nll", "perplexity", "ppl", "error", "wer", "cer", "mse", "mae", "rmse", "bpb"}
HIGHER = {
    "accuracy",
    "acc",
    "match",
    "em",
    "f1",
    "bleu",
    "rouge",
    "rougel",
    "reward",
    "auc",
    "pass",
    "recall",
    "precision",
}
"""Words in a metric's name that say which way is better."""


def rows_of(given: Any) -> Iterator[Mapping[str, Any]]:
    """The rows of whatever holds them, as dicts. Raises DataError naming what is allowed."""
    if isinstance(given, str | Path):
        yield from _rows_of_file(Path(given))
    elif hasattr(given, "to_dicts"):  # polars
        yield from given.to_dicts()
    elif hasattr(given, "to_pylist"):  # Arrow
        yield from given.to_pylist()
    elif hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas
        yield from given.astype(object).where(given.notna(), None).to_dict(orient="records")
    elif isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        for each in given:
            yield from [each] if isinstance(each, Mapping) else rows_of(_path(each))
    else:
        raise DataError(f"runs are given as {type(given).__name__}; {ALLOWED}")


ALLOWED = "give a list of dicts, a data frame, or the paths of CSV, JSONL or Parquet files"


def _path(given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise DataError(f"a row is of type {type(given).__name__}; {ALLOWED}")
    return Path(given)


def _rows_of_file(path: Path) -> Iterator[Mapping[str, Any]]:
    if not path.is_file() or path.suffix not in ENDINGS:
        raise DataError(f"{path} is no file of runs; give one that ends in {', '.join(ENDINGS)}")
    try:
        if path.suffix == ".parquet":
            yield from pq.read_table(path).to_pylist()
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, filter(str.strip, file))
            yield from lines
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({str(error).splitlines()[0]}); mend the file") from error


def runs_of(rows: Rows, *, cost: str) -> list[GivenRun]:
    """The runs in the rows, in the order of their first rows; `cost` names the column of costs.

    Raises DataError for a missing column, a value that is no number, a seed that is no whole number, or two rows for
    one arm, seed, step and metric.
    """
    found: dict[tuple[str, int], dict[str, dict[float, Point]]] = {}
    for number, row in enumerate(rows, start=1):
        _check_columns(row, number)
        arm, metric, seed = str(row["arm"]), str(row["metric"]), _seed(row["seed"], number)
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
    for column in NEEDED:
        if _is_missing(row.get(column)):
            raise DataError(
                f"row {number} has no {column}{nearest(column, [key for key in row if key])}; each row needs "
                f"{', '.join(NEEDED)}, and may have step and cost"
            )


def _number(value: Any, column: str, row: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"row {row} has the {column} {value!r}; it must be a finite number: leave out what failed")
    return number


def _seed(value: Any, row: int) -> int:
    number = _number(value, "seed", row)
    if number != int(number):
        raise DataError(f"row {row} has the seed {value!r}; it must be a whole number")
    return int(number)


def _cost(value: Any, column: str, row: int) -> float | None:
    return None if _is_missing(value) else _number(value, column, row)


def _is_missing(value: Any) -> bool:
    """An empty cell, also as data frames write it."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def direction(metric: str, asked: bool | None = None) -> bool | None:
    """Whether higher is better: as asked, or as the metric's name says; None where neither says."""
    if asked is not None:
        return asked
    words = set("".join(letter if letter.isalnum() else " " for letter in metric.lower()).split())
    says_lower, says_higher = bool(words & LOWER), bool(words & HIGHER)
    return None if says_lower == says_higher else says_higher


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
