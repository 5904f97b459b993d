"""`trainer_state.json` of transformers' Trainer, and of TRL's trainers, which are such.

    {"log_history": [{"epoch": 0.5, "loss": 2.31, "learning_rate": 5e-05, "step": 10},
                     {"epoch": 0.5, "eval_loss": 2.27, "eval_runtime": 0.3, "step": 10}], ...}

Each number of an entry is a measurement at its step. The training loss, which is logged as `loss`, is called
`training_loss` here: what is compared by default is a loss on held-out data.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from winnow.compare_api.run_names import RunName
from winnow.compare_api.wide_tables import measurements
from winnow.errors import DataError

FILE, HISTORY = "trainer_state.json", "log_history"
OTHER_NAMES = {"loss": "training_loss"}


def state_file(path: Path) -> Path | None:
    """The state in an output folder or a checkpoint: its own, or its latest checkpoint's; None where there is none."""
    if path.is_file():
        return path if path.name == FILE else None
    if (path / FILE).is_file():
        return path / FILE
    steps = {int(each.parent.name.partition("-")[2]): each for each in path.glob(f"checkpoint-*/{FILE}")
             if each.parent.name.partition("-")[2].isdecimal()}  # fmt: skip
    return steps[max(steps)] if steps else None


def read_state(path: Path, run: RunName) -> Iterator[dict[str, Any]]:
    """The measurements of one run, a row each; entries' other numbers stand beside them, to serve as costs.

    Of several at one step the first counts: a later one is of weights that were loaded again. Raises DataError where
    the file is no such state.
    """
    seen = set[tuple[float, str]]()
    for entry in _entries(path):
        step = entry.get("step")
        if not isinstance(step, int | float) or isinstance(step, bool):
            raise DataError(f"{path}: an entry of {HISTORY} has no step; give the file as the Trainer wrote it")
        for row in measurements(entry, run, step=step, leave_out=("step", "epoch")):
            row["metric"] = OTHER_NAMES.get(row["metric"], row["metric"])
            if (step, row["metric"]) not in seen:
                seen.add((step, row["metric"]))
                yield row


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); give it as the Trainer wrote it") from error
    history = tree.get(HISTORY) if isinstance(tree, dict) else None
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise DataError(f"{path} has no {HISTORY}, a list of entries; give the trainer_state.json of a run")
    if not history:
        raise DataError(f"{path} has an empty {HISTORY}; set logging_steps and eval_strategy, and train again")
    return history
