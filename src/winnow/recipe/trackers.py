"""Section `trackers`: who else is told what the runs record."""

from typing import Literal

from winnow.recipe.values import Frozen, Name


class MlflowRecipe(Frozen):
    """MLflow: each study an experiment."""

    uri: str | None = None
    """Where: http://host:5000, or sqlite:///file.db; null for what MLflow's own environment variables say."""


class WandbRecipe(Frozen):
    """Weights & Biases: each study a group of runs."""

    project: Name | None = None
    """Project; null for the study's name."""
    entity: str | None = None
    """User or team; null for the one that is logged in."""
    mode: Literal["online", "offline"] = "online"
    """`offline` writes folders for `wandb sync`."""
    folder: str = "runs/wandb"
    """Folder of what W&B writes here."""


class TrackioRecipe(Frozen):
    """Trackio: each study a project, in Trackio's own folder on this machine."""

    project: Name | None = None
    """Project; null for the study's name."""


class TensorboardRecipe(Frozen):
    """TensorBoard: event files."""

    folder: str = "runs/tensorboard"
    """Folder to give to `tensorboard --logdir`; each study and each run has its own folder in it."""


class TrackersRecipe(Frozen):
    """Who else is told what the runs record, while they train and when the study is done.

    None of it changes a result, nor ends a run: a tracker that fails is one warning. An empty `{}` takes the defaults.
    """

    mlflow: MlflowRecipe | None = None
    """MLflow; null for none."""
    wandb: WandbRecipe | None = None
    """Weights & Biases; null for none."""
    trackio: TrackioRecipe | None = None
    """Trackio; null for none."""
    tensorboard: TensorboardRecipe | None = None
    """TensorBoard; null for none."""
