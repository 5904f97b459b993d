"""A whole recipe, on one page."""

from typing import Annotated, Any, Literal

from pydantic import model_validator

from winnow.recipe.evaluation import EvaluationRecipe
from winnow.recipe.pool import PoolRecipe
from winnow.recipe.selection import SelectionRecipe
from winnow.recipe.spending import BudgetRecipe, MachineRecipe
from winnow.recipe.study import StudyRecipe
from winnow.recipe.trackers import TrackersRecipe
from winnow.recipe.training import BaseRecipe, StageRecipe, TrainingRecipe
from winnow.recipe.values import ADDED, Figure, Frozen, Name
from winnow.recipe.varying import VaryRecipe


class PublishedArm(Frozen):
    """Figures that somebody published for an arm; `winnow plan` prints them beside ours."""

    epochs: Figure | None = None
    """Epochs over the selected examples."""
    exaflops: Figure | None = None
    """1e18 FLOPs, in the publisher's convention."""
    seconds: Figure | None = None
    """Wall time."""
    dollars: Figure | None = None
    """Price."""


class Recipe(Frozen):
    """A whole study."""

    name: Name
    """Name of the study and of its folder."""
    pool: PoolRecipe
    """All candidates."""
    base: BaseRecipe
    """Where training starts."""
    selection: SelectionRecipe = SelectionRecipe()
    """What is compared."""
    training: TrainingRecipe = TrainingRecipe()
    """How every arm trains, where `vary` does not say otherwise."""
    budget: BudgetRecipe
    """What every arm may spend, where `vary` does not say otherwise."""
    vary: Annotated[VaryRecipe, ADDED] = {}
    """What else is compared: factor -> level -> what it sets of `training` and `budget`, as in `--set`, or factor ->
    one key and its values. Arms are all combinations of levels and selections; docs/arms.md has examples."""
    evaluation: EvaluationRecipe
    """What is measured."""
    study: StudyRecipe = StudyRecipe()
    """Seeds and the declared comparison."""
    machine: MachineRecipe = MachineRecipe()
    """Speed and price."""
    stages: tuple[StageRecipe, ...] = ()
    """Training stages between the base and the arms."""
    published: dict[str, PublishedArm] = {}
    """Published figures by arm."""
    trackers: TrackersRecipe = TrackersRecipe()
    """Who else is told what the runs record."""

    @property
    def best_by(self) -> Literal["validation", "target", "test"]:
        """By which loss best checkpoints are chosen."""
        return self.evaluation.best_by or ("target" if self.pool.target else "validation")

    @model_validator(mode="before")
    @classmethod
    def _full_pool_where_others_vary(cls, given: Any) -> Any:
        """A study that varies something else and says nothing of selections trains every arm on the full pool."""
        if isinstance(given, dict) and given.get("vary") and "selection" not in given:
            return given | {"selection": {"arms": ["full"], "controls": False}}
        return given
