"""A whole recipe, on one page."""

from typing import Annotated, Any, Literal

from pydantic import model_validator

from winnow.recipe.evaluation import IN_DOMAIN, OUT_OF_DOMAIN, EvaluationRecipe
from winnow.recipe.mixture import NATURAL, MixtureRecipe
from winnow.recipe.pool import PoolRecipe
from winnow.recipe.selection import SelectionRecipe
from winnow.recipe.sources import SourceRecipe
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
    tokens: Annotated[Figure | None, ADDED] = None
    """Tokens of a run."""
    steps: Annotated[Figure | None, ADDED] = None
    """Steps of a run."""
    warmup_steps: Annotated[Figure | None, ADDED] = None
    """Of them, steps in which the learning rate rises."""


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
    mixture: Annotated[MixtureRecipe, ADDED] = NATURAL
    """How much of what a run reads is of which source, in tokens. Of examples `natural` visits every row equally
    often."""
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
        is_text = isinstance(given, dict) and _has_text(given.get("pool"))
        if isinstance(given, dict) and (given.get("vary") or is_text) and "selection" not in given:
            given = given | {"selection": {"arms": ["full"], "controls": False}}
        return _with_text_evaluation(given) if is_text else given

    @property
    def is_text(self) -> bool:
        """Whether it trains on plain text, and so compares mixtures of sources instead of selections of rows."""
        return self.pool.text is not None

    @property
    def sources(self) -> list[tuple[SourceRecipe, bool]]:
        """All origins of data, and whether plain text is welcome in them."""
        pool, pretrain = self.pool, self.base.pretrain
        own, examples = (pool.sources, ()) if self.is_text else ((), pool.sources)
        texts = [*own, *(self.evaluation.text or ()), *(pretrain.sources if pretrain else ())]
        seeds = [source.synthetic.seeds for source in pool.sources if source.synthetic]
        others = (pool.target and pool.target.source, pool.plant and pool.plant.off_topic_source, *seeds)
        asked = [*self.evaluation.sets, *examples, *(source for source in others if source)]
        return [(source, False) for source in asked] + [(source, True) for source in texts]

    @property
    def row_tokens(self) -> int | None:
        """Length of the rows that plain text is cut into; None where it trains on examples."""
        return None if self.pool.text is None else self.pool.text.context_tokens

    @property
    def text_sets(self) -> dict[str, tuple[str, ...]]:
        """Average of plain text -> its sets: what is held out of each source, and the text that others wrote."""
        if not self.is_text:
            return {}
        own = tuple(source.name for source in self.pool.sources)
        others = tuple(source.name for source in self.evaluation.text or ())
        return {IN_DOMAIN: own} | ({OUT_OF_DOMAIN: others} if others else {})


def _has_text(pool: Any) -> bool:
    return (isinstance(pool, PoolRecipe) and pool.text is not None) or (
        isinstance(pool, dict) and bool(pool.get("text"))
    )


def _with_text_evaluation(given: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a study of plain text, which needs neither evaluation sets nor text of others to be measured."""
    evaluation = given.get("evaluation", {})
    if not isinstance(evaluation, dict):
        return given
    return given | {"evaluation": {"sets": (), "text": ()} | {k: v for k, v in evaluation.items() if v is not None}}
