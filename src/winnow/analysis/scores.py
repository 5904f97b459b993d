"""Scores as a study's records hold them: on the way, and of checkpoints on the whole evaluation sets.

Loss and exact match have fields of their own; what else the recipe asks for stands under `measured`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from winnow.metrics import ALWAYS, METRICS, Metric

Levels = dict[str, float]


@dataclass(frozen=True, slots=True)
class Score:
    """A loss in nats per target token and an exact match in [0, 1]."""

    loss: float
    exact_match: float | None = None
    items: int | None = None
    open_items: int = 0
    """Of these, items with open answers, of which no exact match is asked."""
    measured: dict[str, float | None] = field(default_factory=dict)
    """Other metrics; None where one is asked of no item."""

    @property
    def levels(self) -> Levels:
        """By metric, of those that are asked of some item."""
        return _known({"loss": self.loss, "exact_match": self.exact_match} | self.measured)


@dataclass(frozen=True, slots=True)
class MeasuredScore:
    """A level on one whole set, its standard error over items, and of how many items it was asked."""

    level: float | None
    stderr: float | None
    items: int


@dataclass(frozen=True, slots=True)
class FinalScore:
    """A checkpoint's score on one whole evaluation set; `stderr` is over its items.

    Where all its answers are open there is no exact match, and no level to compare one with.
    """

    items: int
    target_tokens: int
    loss: float
    exact_match: float | None
    stderr: float | None
    random_level: float | None
    constant_level: float | None
    constant_answer: str | None = None
    multiple_choice_share: float = 0.0
    open_items: int = 0
    measured: dict[str, MeasuredScore] = field(default_factory=dict)
    target_bytes: int | None = None
    """Of the text of all targets; None where the items are examples."""

    @property
    def final_items(self) -> int:
        """Items with final answers: those that all but the loss is about."""
        return self.items - self.open_items

    @property
    def levels(self) -> Levels:
        """By metric, of those that are asked of some item."""
        others = {name: score.level for name, score in self.measured.items()}
        return _known({"loss": self.loss, "exact_match": self.exact_match} | others)


@dataclass(frozen=True)
class Final:
    """A checkpoint's scores on the whole evaluation sets."""

    sets: dict[str, FinalScore]
    micro: Score
    macro: Score
    metrics: dict[str, Metric] = field(default_factory=dict)
    """What is known of the metrics under `measured`."""
    aggregates: dict[str, Score] = field(default_factory=dict)
    """Of plain text the averages over some sets, each counting alike: `in_domain`, `out_of_domain`."""

    @property
    def levels(self) -> dict[str, Levels]:
        """By set, then over all or some: the level of each metric."""
        averages = {"micro": self.micro.levels, "macro": self.macro.levels}
        averages |= {name: score.levels for name, score in self.aggregates.items()}
        return {name: score.levels for name, score in self.sets.items()} | averages

    @property
    def known(self) -> Mapping[str, Metric]:
        """The metrics that it was scored by, by name."""
        return {name: METRICS[name] for name in ALWAYS} | self.metrics


def _known(levels: Mapping[str, float | None]) -> Levels:
    return {name: level for name, level in levels.items() if level is not None}
