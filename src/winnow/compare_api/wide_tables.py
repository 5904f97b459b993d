"""Tables with a column for each metric: logs by step, W&B's exports, and MLflow's tables of runs.

    step,eval_loss,eval_accuracy              a row a step: the file says whose it is (`run_names`)
    arm,seed,step,eval_loss                   or its columns do
    Step,full_s0 - eval/loss,mine_s0 - eval/loss,mine_s0 - eval/loss__MIN     a chart of W&B
    Name,State,seed,eval/loss                 a table of runs of W&B or MLflow: a row is a finished run
    run_id,metrics.loss,params.seed,tags.mlflow.runName                       mlflow.search_runs

Columns that hold no numbers are no metrics; an empty cell is no measurement.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from winnow.compare_api.run_names import Names, RunName
from winnow.errors import DataError, nearest

STEPS = ("step", "_step", "Step", "global_step", "train/global_step", "trainer/global_step", "iteration")
RUN_NAMES = ("Name", "run_name", "tags.mlflow.runName", "_run_name")
"""Columns in which trackers have the names of runs."""
CHART = re.compile(r"(?P<run>.+?) - (?P<metric>.+)")
BOUNDS = ("__MIN", "__MAX")
"""Endings of a chart's columns that hold bounds of what it smoothed."""
PREFIXES = {"metrics.": "metric", "params.": "parameter", "tags.": "parameter"}
"""How mlflow.search_runs calls its columns."""


def read_wide(rows: Sequence[Mapping[str, Any]], names: Names, place: str, run: RunName | None) -> Iterator[Any]:
    """The measurements in a table, a row each; `run` is whose they are where the file says it.

    Raises DataError where nothing says whose a row is, or several rows of a run have no step.
    """
    columns = list(rows[0]) if rows else []
    for part, column in names.columns.items():
        if column not in columns:
            raise DataError(f"{place} has no column {column!r}{nearest(column, columns)} for {part}; it has {columns}")
    step = _step_column(columns, names)
    if _is_chart(columns, step):
        yield from _chart(rows, columns, step, names, place)
        return
    known = _Owners(columns, names, place, run)
    left_out = {step, *known.columns, *(each for each in columns if PREFIXES.get(_prefix(each)) == "parameter")}
    counted = dict[RunName, int]()
    for number, row in enumerate(rows, start=1):
        owner = known.of(row, number)
        counted[owner] = counted.get(owner, 0) + 1
        if step is None and counted[owner] > 1:
            raise DataError(
                f"{place} has several rows of {owner.arm}, seed {owner.seed}, and no column of steps; name it: "
                f"--column step=NAME (there are {', '.join(columns)})"
            )
        at = None if step is None else row[step]
        for each in measurements(row, owner, step=at, leave_out=left_out):
            each["metric"] = each["metric"].removeprefix("metrics.")
            yield each


def measurements(
    row: Mapping[str, Any], owner: RunName, *, step: Any, leave_out: Iterable[str | None]
) -> Iterator[dict[str, Any]]:
    """A row for each number in a row of many; what else that row holds stands beside it."""
    kept = set(leave_out)
    for name, value in row.items():
        number = _number(value)
        if name not in kept and number is not None:
            yield {**row, "arm": owner.arm, "seed": owner.seed, "step": step, "metric": name, "value": number}


class _Owners:
    """Whose the rows of a table are: by its columns, by the names of runs in it, or by the file."""

    def __init__(self, columns: Sequence[str], names: Names, place: str, run: RunName | None) -> None:
        self.names, self.place, self.run = names, place, run
        self.arm, self.seed = (_either(columns, names, part) for part in ("arm", "seed"))
        self.name = next((each for each in RUN_NAMES if each in columns), None)
        self.columns = {each for each in (self.arm, self.seed, self.name) if each is not None}

    def of(self, row: Mapping[str, Any], number: int) -> RunName:
        """Whose a row is. Raises DataError where nothing says it."""
        if self.arm is not None and self.seed is not None:
            return RunName(str(row[self.arm]), self._seed(row[self.seed], number))
        if self.run is not None:
            return self.run
        if self.name is None:
            raise DataError(
                f"{self.place} does not say whose its rows are; write ARM:SEED={self.place}, or name the columns: "
                f"--column arm=NAME --column seed=NAME (there are {', '.join(row)})"
            )
        return self.names.of(str(row[self.name]), self.place)

    def _seed(self, value: Any, number: int) -> int:
        seed = _number(value)
        if seed is None or not math.isfinite(seed) or seed != int(seed):
            raise DataError(f"{self.place}, row {number}, has the seed {value!r}; it must be a whole number")
        return int(seed)


def _either(columns: Sequence[str], names: Names, part: str) -> str | None:
    """The column of a part, by the name that was said, its own, or as MLflow calls parameters."""
    tried = (names.column(part), f"params.{part}") if part not in names.columns else (names.column(part),)
    return next((each for each in tried if each in columns), None)


def _step_column(columns: Sequence[str], names: Names) -> str | None:
    if "step" in names.columns:
        return names.columns["step"]
    return next((each for each in STEPS if each in columns), None)


def _prefix(column: str) -> str:
    return column[: column.find(".") + 1]


def _is_chart(columns: Sequence[str], step: str | None) -> bool:
    """Whether all columns but that of the steps are a run's name and a metric."""
    others = [each for each in columns if each != step]
    return bool(others) and all(CHART.fullmatch(each) for each in others)


def _chart(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], step: str | None, names: Names, place: str
) -> Iterator[dict[str, Any]]:
    """Of a chart with a column a run; the columns of its bounds and of its steps are left out."""
    if step is None:
        raise DataError(f"{place} is a chart without a column of steps; name it: --column step=NAME")
    for column in columns:
        match = CHART.fullmatch(column)
        if column == step or match is None or column.endswith(BOUNDS) or match["metric"] in STEPS:
            continue
        owner = names.of(match["run"], place)
        for row in rows:
            number = _number(row[column])
            if number is not None:
                yield {"arm": owner.arm, "seed": owner.seed, "step": row[step], "metric": match["metric"],
                       "value": number}  # fmt: skip


def _number(value: Any) -> float | None:
    """A number in a cell; None of a truth, an empty cell, or text that is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value) if not isinstance(value, str) or "_" not in value else None
    except (ValueError, OverflowError):
        return None
