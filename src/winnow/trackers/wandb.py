"""Weights & Biases: a study is a group, a run is found by its id.

`mode: offline` writes below `folder`, without a server; each process leaves a folder of its own there that holds the
whole run, and `wandb sync` sends one. Log in with wandb's own command or its environment variable WANDB_API_KEY.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winnow.recipe import WandbRecipe
from winnow.trackers.interface import Parameters, Row, RunName, TrackerRun, Values


def open_run(options: WandbRecipe, name: RunName, parameters: Parameters) -> TrackerRun:
    """The run in W&B, new or found again, with its parameters."""
    import wandb

    Path(options.folder).mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True)
    run = wandb.init(
        project=options.project or name.study, entity=options.entity, group=name.study, name=name.run, id=name.id,
        config=dict(parameters), dir=options.folder, mode=options.mode, reinit="create_new", settings=settings,
        resume="allow" if options.mode == "online" else None,
    )  # fmt: skip
    return WandbRun(run)


class WandbRun:
    """A run in W&B."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def steps(self) -> set[int]:
        """All steps up to the last one that W&B has: it takes none out of order."""
        return set(range(self._run.step))

    def log(self, rows: Sequence[Row]) -> None:
        """Send rows."""
        for step, values in rows:
            self._run.log(values, step=step, commit=True)

    def summarize(self, numbers: Values, texts: Mapping[str, str]) -> None:
        """Put numbers and texts into the run's summary."""
        self._run.summary.update(numbers | dict(texts))

    def close(self) -> None:
        """Wait until W&B has all of it."""
        self._run.finish()
