"""Checkpoints of a run that are measured: those that are the same weights once."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from winnow.records import Cost, Outcome, Stored

Measured = tuple[Any, Cost]
"""What a checkpoint's numbers are, and what it cost to find out."""


def of_checkpoints(
    run: Stored, checkpoints: Sequence[str], folder: Path, files: Sequence[str], measure: Callable[[str], Measured]
) -> Outcome:
    """Measure each checkpoint, which leaves `files` in the folder, their names patterns with `{}` for the checkpoint.

    Where the best step is the last one, the last checkpoint is measured, and its files are the best one's, too.
    """
    is_same = "best_step" in run.numbers and run.numbers["best_step"] == run.numbers["steps"]
    numbers, cost = dict[str, Any](), Cost()
    for checkpoint in checkpoints:
        if checkpoint == "best" and is_same and "last" in checkpoints:
            continue
        numbers[checkpoint], spent = measure(checkpoint)
        cost += spent
    for checkpoint in set(checkpoints) - set(numbers):
        numbers[checkpoint] = numbers["last"]
        for pattern in files:
            shutil.copy(folder / pattern.format("last"), folder / pattern.format(checkpoint))
    outputs = tuple(pattern.format(checkpoint) for pattern in files for checkpoint in checkpoints)
    return Outcome(outputs=outputs, numbers=numbers, costs={"evaluate": cost})
