"""The plain data that rooms hand to each other.

Every record is a frozen dataclass of numbers, names and hashes; bulk stays in files. `to_json` and `from_json`
round-trip what is stored: all but `Stage` and `Context`, which live in memory alone.
"""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter

from winnow.recipe import Frozen

Record = TypeVar("Record")
ZERO_SHOT = "zero_shot"
"""Name of the untrained model among arms and runs."""


def to_json(record: Any) -> dict[str, Any]:
    """The record as plain JSON values."""
    found: dict[str, Any] = _adapter(cast(Hashable, type(record))).dump_python(record, mode="json")
    return found


def from_json(kind: type[Record], tree: Any, *, is_exact: bool = False) -> Record:
    """The record of this kind in plain JSON values, which may hold other keys too unless it `is_exact`.

    Raises pydantic's ValidationError where they do not fit.
    """
    found: Record = _adapter(cast(Hashable, kind)).validate_python(tree, extra="forbid" if is_exact else None)
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """What reads and writes records of a kind; to build one costs more than to read most records."""
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work used."""

    flops: float = 0.0
    """Reference FLOPs: real lengths, dense head, no padding, no recomputation. They stop runs."""
    executed_flops: float = 0.0
    """FLOPs of the work as done: padding, target-only head."""
    flops_6n: float = 0.0
    """6 x parameters x tokens, to compare with papers."""
    tokens: int = 0
    """Real tokens."""
    padded_tokens: int = 0
    """Tokens with padding."""
    seconds: float = 0.0
    """Wall time."""
    dollars: float = 0.0
    """Paid to others, such as a teacher behind an endpoint; the machine's own price follows from `seconds`."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one run of an arm was predicted to use, before it trained."""

    steps: int
    tokens: int
    """Of training."""
    flops: float
    """Reference FLOPs of training."""
    seconds: float
    """Of training."""
    memory_bytes: int
    """On one device, at the worst moment."""
    evaluation_flops: float
    """Reference FLOPs of all evaluation, benchmarks included."""
    evaluation_seconds: float
    dollars: float
    """Of training, selection and evaluation."""


@dataclass(frozen=True)
class Stage:
    """One step of work: a kind, what is asked of it, and the stages whose artifacts it needs."""

    name: str
    kind: str
    part: Frozen
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Role -> name of the stage that gives it."""
    arm: str | None = None
    seed: int | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    """Role -> name of a stage that has to be there before, and that changes nothing of what this one leaves: what its
    run is evaluated on while it trains."""

    @property
    def owner(self) -> str | None:
        """Whose it is: its arm, or the untrained model where it scores that; null where it is the study's."""
        return self.arm or (ZERO_SHOT if "run" in self.inputs else None)

    @property
    def whose(self) -> str | None:
        """Its owner, with the seed where it is one seed's."""
        return self.owner if self.seed is None else f"{self.owner}.s{self.seed}"


@dataclass(frozen=True)
class Artifact:
    """What a stage left, as its record tells it."""

    name: str
    kind: str
    fingerprint: str
    """Of what was asked: part, contents of the inputs, data read, stage version, numerics."""
    digest: str
    """Of what came out: the hashes of the output files. Later stages depend on this, not on the fingerprint."""
    inputs: dict[str, str]
    """Role -> fingerprint."""
    costs: dict[str, Cost]
    """By meter: `train`, `evaluate`, `represent`, `select` ..."""
    wasted: Cost
    """Redone after a kill; reported, never charged."""
    numbers: dict[str, Any]
    """Small results: counts, losses, sizes."""
    files: dict[str, str]
    """Name -> sha256 of every file."""


@dataclass(frozen=True)
class Stored:
    """An artifact and the folder that holds it."""

    artifact: Artifact
    folder: Path

    @property
    def numbers(self) -> dict[str, Any]:
        """The artifact's small results."""
        return self.artifact.numbers


@dataclass(frozen=True)
class Outcome:
    """What a stage function gives back: the pipeline makes the artifact of it."""

    outputs: tuple[str, ...]
    """Files (or folders) whose contents define the artifact."""
    logs: tuple[str, ...] = ()
    """Files that hold timings and the like; hashed, but not part of the digest."""
    numbers: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    wasted: Cost = Cost()


class Progress(Protocol):
    """Where a stage tells how far it is."""

    def update(self, done: float, total: float, note: str = "") -> None:
        """So many of so many units are done."""


class Silent:
    """Progress that nobody watches."""

    def update(self, done: float, total: float, note: str = "") -> None:
        """Nothing."""


Probe = Callable[[Any], dict[str, Any]]
"""Called by training with the model every n steps; gives back one evaluation: `validation`, `sets`, `micro`, `macro`,
and under `cost` what it used."""

Listener = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], None]
"""Called by training after every step with all logged points and all evaluations so far, as its records hold them."""


def unheard(steps: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Nothing."""


@contextmanager
def nobody() -> Iterator[Listener]:
    """The listener of a run that nobody follows."""
    yield unheard


@dataclass(frozen=True)
class Context:
    """Where a stage works and whom it tells."""

    folder: Path
    """A folder of the stage's own, kept across kills; what it leaves there becomes the artifact."""
    progress: Progress = Silent()
    make_probe: Callable[[Any], Probe] | None = None
    """For training: builds the probe for a model."""
    follow: Callable[[], AbstractContextManager[Listener]] = nobody
    """For training: opens whoever follows the run while it trains."""
    kept: Path | None = None
    """A folder that outlives all artifacts and that stages share, for what would cost money to get twice."""


SELECTION = "selection"
"""What the factor is called in which arms differ by their rows."""
BORING_SELECTORS = "full", "random", "equal_shares", "source_shares"
"""Selectors that look at no example but its source; every study runs them beside the clever ones."""


@dataclass(frozen=True)
class Traits:
    """What a recipe's expansion has to know of a selector, without importing it."""

    name: str
    summary: str
    is_control: bool = False
    is_random: bool = False
    """Two seeds give two selections."""
    needs: tuple[str, ...] = ()
    """What it sees beside ids, sources and lengths: `vectors`, `features`, `scores`, `counts`."""
    takes_fraction: bool = True
    is_nested: bool = True
    """A smaller selection is a part of a larger one."""
    target: str = "none"
    """`none`, `optional` (`target: true` in its arm) or `required`."""
    representation: str = "hidden_states"
    """Where its vectors, features or counts come from if its arm names nothing else."""
    score: str = "loss"
    """Where its scores come from if its arm names nothing else."""
    wraps: bool = False
    """Its option `order` names another selector, `order_options` that one's options; it needs what that one needs."""
    adds_target: bool = False
    """A control that also takes the target sample's rows."""

    @property
    def needs_representation(self) -> bool:
        """Whether it sees more than ids, sources, lengths and scores."""
        return bool({"vectors", "features", "counts"} & set(self.needs))


def inner_of(traits: Traits, options: Mapping[str, Any], known: Mapping[str, Traits]) -> Traits:
    """The selector that a wrapping one calls, else the selector itself."""
    return known.get(str(options.get("order", "random")), traits) if traits.wraps else traits


def needs_of(traits: Traits, options: Mapping[str, Any], known: Mapping[str, Traits]) -> tuple[str, ...]:
    """What a selector with these options sees, the inner selector's needs included."""
    return tuple(dict.fromkeys((*traits.needs, *inner_of(traits, options, known).needs)))
