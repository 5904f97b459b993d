"""A whole recipe, on one page."""

from winnow.recipe.evaluation import EvaluationRecipe
from winnow.recipe.pool import PoolRecipe
from winnow.recipe.selection import SelectionRecipe
from winnow.recipe.spending import BudgetRecipe, MachineRecipe
from winnow.recipe.study import StudyRecipe
from winnow.recipe.trackers import TrackersRecipe
from winnow.recipe.training import BaseRecipe, StageRecipe, TrainingRecipe
from winnow.recipe.values import Figure, Frozen, Name


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
    """How every arm trains."""
    budget: BudgetRecipe
    """What every arm may spend."""
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
