"""Measures by name: what is read from a model's answers to the items of an evaluation set.

A measure gives each item a score by one metric or several; it is one file:

    LENGTH = Metric("answer_length", higher_is_better=False, unit="words")

    @measure("answer_length", summary="Words of the answer.", metrics=(LENGTH,), answers="greedy")
    def score(items, *, options):
        for item in items:
            yield ItemScore(item.id, "answer_length", len(item.output.split()))

Other packages join by an entry point in the group `winnow.measures` that names the module.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from winnow.errors import RecipeError
from winnow.metrics import METRICS, Metric
from winnow.recipe import Frozen
from winnow.recipe.options import NoOptions, checked_options
from winnow.registry import Registry

GROUP = "winnow.measures"
BUILT_IN = "loss", "exact_match", "strict_exact_match", "bits_per_byte", "perplexity"
Answers = Literal["none", "greedy"]
"""What a measure has to be given of each item: nothing but the losses of its reference, or the greedy answer, too."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of an evaluation set, and what the model made of it."""

    id: str
    prompt: str
    target: str
    """The reference answer; of an open one its text."""
    num_options: int
    """0 where it is not multiple choice."""
    is_open: bool
    """Whether the answer is open text, which can be right in many words."""
    loss: float
    """Of the reference completion: the sum over its target tokens, in nats."""
    target_tokens: int
    output: str | None = None
    """What the model answered; null for measures that need no answers."""
    extracted: str | None = None
    """What of the output counts as its final answer; null where there is none."""
    target_bytes: int = 0
    """Of the target tokens' text as UTF-8; 0 where it is cut, or a conversation's."""


@dataclass(frozen=True, slots=True)
class ItemScore:
    """What an item scored by a metric."""

    id: str
    metric: str
    score: float
    weight: float = 1.0
    """What the item counts: a level is sum(score x weight) / sum(weight)."""
    extracted: str | None = None
    """What was read from the output, for people who look at items."""


class ScoreFunction(Protocol):
    """What a measure is."""

    def __call__(self, items: Sequence[Item], *, options: Any) -> Iterable[ItemScore]:
        """Scores of items of one set, each by itself: whatever others are asked beside it changes none.

        An item that the metric is not asked of gets no score.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measure:
    """A registered measure."""

    name: str
    summary: str
    metrics: tuple[Metric, ...]
    """What it scores by; the first is its main one."""
    answers: Answers
    of_open: bool
    """Whether items with open answers are scored, too."""
    options: type[Frozen]
    score: ScoreFunction


Score = TypeVar("Score", bound=ScoreFunction)

REGISTRY = Registry[Measure](
    "measure", "measures", group=GROUP, package="winnow.evaluation.measures", built_in=BUILT_IN
)


def measure(
    name: str,
    *,
    summary: str,
    metrics: tuple[Metric, ...],
    answers: Answers = "none",
    of_open: bool = False,
    options: type[Frozen] = NoOptions,
) -> Callable[[Score], Score]:
    """Register the decorated function as a measure; `Measure` says what the arguments mean."""

    def register(function: Score) -> Score:
        _register(Measure(name, summary, metrics, answers, of_open, options, function))
        return function

    return register


def find_measure(name: str) -> Measure:
    """The measure of this name. Raises RecipeError."""
    return REGISTRY.find(name)


def measures() -> dict[str, Measure]:
    """All measures by name."""
    return REGISTRY.all()


def check(name: str, options: Mapping[str, Any]) -> Frozen:
    """The checked options of a measure. Raises RecipeError with a line for each mistake."""
    write = f"`{{name: {name}, options: {{KEY: ...}}}}`"
    return checked_options(f"measure {name}", find_measure(name).options, options, write=write)


def _register(part: Measure) -> None:
    others = {metric.name: metric for each in REGISTRY.parts.values() for metric in each.metrics}
    for metric in part.metrics:
        if metric.name in others or METRICS.get(metric.name, metric) != metric:
            raise RecipeError(
                f"the measure {part.name!r} has a metric named {metric.name!r}, which is taken; rename it, or "
                "uninstall its package"
            )
    REGISTRY.add(part.name, part)
