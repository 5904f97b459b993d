"""What a study folder holds, as plain records: runs with their steps and evaluations, final scores, selections."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from winnow.analysis.scores import Score
from winnow.budget import VisitPlan
from winnow.records import Artifact, Cost


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer update; counts are cumulative."""

    step: int
    loss: float
    tokens: int
    flops: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation on the way; counts are cumulative and without evaluation and selection."""

    step: int
    tokens: int
    flops: float
    seconds: float
    evaluation_seconds: float
    validation: Score
    sets: dict[str, Score]
    micro: Score
    macro: Score
    kl_from_base: float | None = None
    """Nats per token on the own samples of the model that the run started from; None where that was not measured."""
    target_validation: Score | None = None
    """On held-out examples of the target's kind, where the best checkpoint is chosen by it."""

    @property
    def judged(self) -> float:
        """The loss on held-out examples that the recipe aims at: of the target's kind where it says so."""
        return (self.target_validation or self.validation).loss


@dataclass(frozen=True, slots=True)
class Best:
    """Where the best checkpoint lies and which rule chose it."""

    step: int
    value: float
    by: Literal["validation", "target", "test"]


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What a run on plain text read of a source; tokens count end tokens."""

    source: str
    asked_share: float
    """Of all tokens of the run."""
    realised_share: float
    rows: int
    tokens: int
    unique_tokens: int
    epochs: float
    effective_tokens: float
    """Unique tokens that would be worth as much."""
    read_before: int = 0
    """Rows that the model had read of it before the run."""


@dataclass(frozen=True, slots=True)
class KnotAsked:
    """Shares that were asked at a point of a run."""

    at: float
    shares: dict[str, float]


@dataclass(frozen=True)
class MixtureRead:
    """What a run on plain text read, source by source and on the way."""

    sources: tuple[SourceRead, ...]
    rows: tuple[int, ...]
    """Points of the run."""
    rows_by_source: tuple[tuple[int, ...], ...]
    """[points][sources]: rows read of each by then."""
    between: str = "linear"
    knots: tuple[KnotAsked, ...] = ()

    @property
    def schedule(self) -> str:
        """How its shares change, in a word or two."""
        if all(knot.shares == self.knots[0].shares for knot in self.knots):
            return "constant"
        return f"{self.between}, {len(self.knots)} knots"


@dataclass(frozen=True)
class Run:
    """An arm with a seed, from training_records.<arm>.json."""

    arm: str
    seed: int
    plan: VisitPlan
    parameters: dict[str, int]
    checkpoint_bytes: int
    steps: tuple[Step, ...]
    evaluations: tuple[Evaluation, ...]
    best: Best
    last: dict[str, int]
    costs: dict[str, Cost]
    wasted: Cost
    training: dict[str, Any] = field(default_factory=dict)
    """How it trained: the recipe's section, with the learning rate that a sweep chose."""
    peak_memory_bytes: int | None = None
    """What training took of the accelerator at its worst moment; null on a CPU."""
    mixture: MixtureRead | None = None
    """What it read of each source of plain text; None where it trained on examples."""

    @property
    def learning_rate(self) -> float | None:
        """Its peak; None where the records do not say."""
        return self.training.get("learning_rate")

    @property
    def done(self) -> VisitPlan:
        """How far it went: its plan, unless early stopping ended it before."""
        visits = self.last.get("visits", self.plan.visits)
        if visits == self.plan.visits:
            return self.plan
        spent = self.costs["train"]
        return replace(
            self.plan, visits=visits, steps=self.last["step"], epochs=visits / self.plan.examples, tokens=spent.tokens,
            flops=spent.flops,
        )  # fmt: skip

    @property
    def stops_early(self) -> bool:
        """Whether it was to end where its validation loss no longer falls."""
        return self.training.get("early_stopping") is not None

    @property
    def unspent_share(self) -> float:
        """Of its planned FLOPs, what early stopping left."""
        return 1 - self.done.flops / self.plan.flops if self.plan.flops else 0.0

    @property
    def at_best(self) -> Evaluation:
        """The evaluation of the best checkpoint."""
        return next(row for row in self.evaluations if row.step == self.best.step)

    def step_of(self, checkpoint: str) -> int:
        """The step of the best or the last checkpoint."""
        return self.best.step if checkpoint == "best" else self.last["step"]

    @property
    def best_judged(self) -> float:
        """The lowest loss on the way, on the held-out examples that the recipe aims at."""
        return min(row.judged for row in self.evaluations)

    @property
    def level_words(self) -> str:
        """Of which loss that is: "validation loss", or "target validation loss"."""
        return "validation loss" if self.evaluations[0].target_validation is None else "target validation loss"


@dataclass(frozen=True, slots=True)
class SourceShare:
    """One source in the pool and in a selection."""

    source: str
    pool_examples: int
    selected_examples: int
    pool_share: float
    selected_share: float
    ratio: float | None
    mean_tokens: float | None = None


@dataclass(frozen=True)
class Selection:
    """What a selector chose."""

    selector: str
    fraction: float | None
    size: int
    pool_size: int
    composition: tuple[SourceShare, ...]
    mean_tokens: float | None = None
    pool_mean_tokens: float | None = None
    mmd_ratio: float | None = None
    seed: int | None = None
    planted: dict[str, dict[str, float]] = field(default_factory=dict)
    """Fault -> its `pool_share` and its `share` of the chosen rows."""


@dataclass(frozen=True)
class StageRecord:
    """A finished stage: its artifact, whose it is and what it rests on."""

    artifact: Artifact
    arm: str | None
    seed: int | None
    inputs_by_name: dict[str, str]
    """Role -> name of the stage that gave it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A short run at one learning rate."""

    arm: str
    """On whose data."""
    seed: int
    learning_rate: float
    loss: float | None
    """On validation; None where it did not come to its end."""
    is_stable: bool
    is_chosen: bool
    steps: int
    cost: Cost
    """Of its training."""
