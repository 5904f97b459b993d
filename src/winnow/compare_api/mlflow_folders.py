"""Runs as MLflow's file store has them: `mlruns/<experiment>/<run>/metrics/<name>`, lines of time, value and step.

Arm and seed are parameters or tags of these names, or of those that `columns` names; else the run's own name tells.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from winnow.compare_api.run_names import Names, RunName
from winnow.errors import DataError

RUN_NAME = "mlflow.runName"
METRICS = "metrics"
DELETED = "lifecycle_stage: deleted"
"""What meta.yaml says of a run in the trash."""
FOLDERS = ("params", "tags")


def run_folders(path: Path) -> list[Path]:
    """The run, or the runs of an experiment or of a whole store; those that were deleted are left out."""
    found = [each.parent for pattern in ("", "*/", "*/*/") for each in sorted(path.glob(f"{pattern}meta.yaml"))]
    return [
        folder
        for folder in found
        if (folder / METRICS).is_dir() and DELETED not in (folder / "meta.yaml").read_text(encoding="utf-8")
    ]


def read_runs(path: Path, names: Names, given: RunName | None) -> Iterator[dict[str, Any]]:
    """The measurements of all runs in a folder, a row each. Raises DataError where nothing says whose one is."""
    folders = run_folders(path)
    if given is not None and len(folders) > 1:
        raise DataError(f"{path} holds {len(folders)} runs, and {given.arm}:{given.seed} names one; give its folder")
    for folder in folders:
        owner = given or _owner(folder, names)
        for file in sorted((folder / METRICS).rglob("*")):
            if file.is_file():
                metric = file.relative_to(folder / METRICS).as_posix()
                yield from _measurements(file, owner, metric)


def _owner(folder: Path, names: Names) -> RunName:
    arm, seed = (_told(folder, names.column(part)) for part in ("arm", "seed"))
    if arm is not None and seed is not None:
        if not seed.isdecimal():
            raise DataError(f"{folder} has the seed {seed!r}; it must be a whole number")
        return RunName(arm, int(seed))
    return names.of(_told(folder, RUN_NAME) or folder.name, str(folder))


def _told(folder: Path, name: str) -> str | None:
    """What a parameter or a tag says."""
    found = [folder / kind / name for kind in FOLDERS if (folder / kind / name).is_file()]
    return found[0].read_text(encoding="utf-8").strip() if found else None


def _measurements(file: Path, owner: RunName, metric: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            _, value, step = line.split()[:3]
            read = {"step": int(step), "value": float(value)}
        except ValueError as error:
            raise DataError(
                f"{file}, line {number}, is not a time, a value and a step; export the run again"
            ) from error
        yield {"arm": owner.arm, "seed": owner.seed, "metric": metric, **read}
