"""What others' runs are read from, told apart by what it holds: tidy rows, wide tables, trainers' and trackers' files.

given = read("outputs", names_of({}, {}))
given.rows      # dicts with arm, seed, metric, value, and where known step and costs
given.samples   # items, where lm-eval logged them
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from winnow.compare_api.lm_eval_samples import Samples, run_of, sample_files
from winnow.compare_api.mlflow_folders import read_runs, run_folders
from winnow.compare_api.rows import NEEDED, rows_of, rows_of_file
from winnow.compare_api.run_names import Names, RunName, named_in, split
from winnow.compare_api.trainer_states import read_state, state_file
from winnow.compare_api.wide_tables import read_wide
from winnow.errors import DataError

LOSSES = (
    "loss", "eval_loss", "eval/loss", "validation_loss", "validation/loss", "val_loss", "val/loss", "valid_loss",
    "test_loss", "test/loss",
)  # fmt: skip
"""Names of a loss on held-out data, the first that there is is compared where no metric is named."""


@dataclass
class Given:
    """The measurements of others' runs."""

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    wide: list[dict[str, Any]] = field(default_factory=list)
    """Those that stood beside others in one row; among them are numbers that nobody asked for."""
    samples: Samples = field(default_factory=Samples)

    def metric(self, asked: str | None) -> str:
        """The metric that is compared: as asked, a loss on held-out data, or the only one there is.

        Raises DataError where there are several and none is asked for.
        """
        known = dict.fromkeys(str(row["metric"]) for row in [*self.rows, *self.wide] if row.get("metric"))
        if asked is not None or not known:
            return asked or LOSSES[0]
        found = next((name for name in LOSSES if name in known), None) or (next(iter(known)) if len(known) == 1 else "")
        if not found:
            raise DataError(f"say which metric is compared; there are {', '.join(known)}")
        return found

    def measured(self, needed: Iterable[str | None]) -> Iterator[Mapping[str, Any]]:
        """All rows; numbers that are none, such as a gradient's norm, are passed over unless they are `needed`."""
        wanted = set(needed)
        yield from self.rows
        yield from (row for row in self.wide if row["metric"] in wanted or math.isfinite(row["value"]))


def read(given: Any, names: Names) -> Given:
    """All that is given: rows, a frame, or paths of files and folders. Raises DataError."""
    found = Given()
    paths = [given] if isinstance(given, str | Path) else given
    if not isinstance(paths, list | tuple) or not any(isinstance(each, str | Path) for each in paths):
        found.rows = list(rows_of(given))
        return found
    for each in paths:
        if isinstance(each, str | Path):
            _read_path(str(each), names, found)
        else:
            found.rows += rows_of([each])
    found.wide += found.samples.rows()
    return found


def _exists(path: Path) -> bool:
    """Whether there is such a file or folder; a name that none can have is none's."""
    try:
        return path.exists()
    except OSError:
        return False


def _read_path(given: str, names: Names, found: Given) -> None:
    run, rest = (None, given) if _exists(Path(given)) else split(given)
    path = Path(rest)
    if not _exists(path):
        _read_table(path, rest, names, run, found)
    elif (state := state_file(path)) is not None:
        found.wide += read_state(state, run or named_in(str(state)))
    elif path.is_dir() and run_folders(path):
        found.wide += read_runs(path, names, run)
    elif files := sample_files(path):
        for file in files:
            found.samples.add(run or run_of(file), file)
    elif path.is_dir():
        raise DataError(
            f"{path} holds no runs: no trainer_state.json, no runs of MLflow, no samples_*.jsonl of lm-eval; a folder "
            "of checkpoints needs --recipe"
        )
    else:
        _read_table(path, rest, names, run, found)


def _read_table(path: Path, given: str, names: Names, run: RunName | None, found: Given) -> None:
    rows = list(rows_of_file(path))
    columns = {part: names.column(part) for part in NEEDED}
    if rows and isinstance(rows[0], Mapping) and _is_wide(rows[0], columns, names):
        owner = run or _named(given)
        found.wide += read_wide(rows, names, given, owner)
        return
    for row in rows:
        renamed = {part: row[column] for part, column in names.columns.items() if column in row}
        found.rows.append({**row, **(run._asdict() if run else {}), **renamed})


def _is_wide(row: Mapping[str, Any], columns: Mapping[str, str], names: Names) -> bool:
    """Whether a row has a column for each metric: nothing in it is called a metric or a value."""
    return not {columns["metric"], columns["value"]} & row.keys() and bool(
        row.keys() - {"arm", "seed", "step", *names.columns.values()}
    )


def _named(given: str) -> RunName | None:
    """Whose a table is by its place; None where that says nothing, and its columns may."""
    try:
        return named_in(given)
    except DataError:
        return None
