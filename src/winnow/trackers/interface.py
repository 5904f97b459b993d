"""What a tracker's adapter is: a module with a function `open_run`, and what that gives back.

    run = open_tracker("tensorboard")(options, name, {"training.learning_rate": 2e-4})
    run.log([(10, {"train/loss": 2.31, "spent/tokens": 5120.0})])
    run.close()

A run is found again by its name, so that a resumed run goes on where the tracker has it; what the tracker has already
is never sent twice. Adapters are called from one thread at a time and may raise whatever they like.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from winnow.errors import RecipeError
from winnow.recipe import Frozen, TrackersRecipe

Values = dict[str, float]
"""Metric -> its value."""
Row = tuple[int, Values]
"""A step and what was measured there."""
Parameters = Mapping[str, str | int | float | bool]

MARKER = "spent/tokens"
"""A metric that every row has. Adapters send it last, so a step that has it has the whole row."""

PACKAGES = {"mlflow": "mlflow", "wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard"}
"""Tracker -> the package that its adapter imports."""


@dataclass(frozen=True, slots=True)
class RunName:
    """What a tracker knows a run by."""

    study: str
    run: str
    """Arm and seed, such as herding_0.1.s0."""
    key: str
    """Of what was asked: a run that is asked for with other settings is another run."""

    @property
    def id(self) -> str:
        """The name that no other run has."""
        return f"{self.study}-{self.run}-{self.key}"


class TrackerRun(Protocol):
    """One run in a tracker."""

    def steps(self) -> set[int]:
        """Steps whose rows the tracker had when the run was opened."""

    def log(self, rows: Sequence[Row]) -> None:
        """Send rows, in the order of their steps."""

    def summarize(self, numbers: Values, texts: Mapping[str, str]) -> None:
        """Send what is known at the end; said again, it replaces what was said."""

    def close(self) -> None:
        """Nothing more comes from this process."""


OpenRun = Callable[[Any, RunName, Parameters], TrackerRun]


def open_tracker(tracker: str) -> OpenRun:
    """The adapter's `open_run`; imports the tracker's package on its first call."""
    opener: OpenRun = import_module(f"winnow.trackers.{tracker}").open_run
    return opener


def wanted(recipe: TrackersRecipe) -> dict[str, Frozen]:
    """The trackers that a recipe asks for, with their options."""
    options = {name: getattr(recipe, name) for name in PACKAGES}
    return {name: each for name, each in options.items() if each is not None}


def check_installed(recipe: TrackersRecipe) -> None:
    """Raises RecipeError where a tracker is asked for whose package is not there."""
    for name in wanted(recipe):
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise RecipeError(
                f"trackers.{name} needs the package {PACKAGES[name]}, which is not installed; "
                f"pip install 'winnow-lm[trackers]', or set trackers.{name}=null"
            )
