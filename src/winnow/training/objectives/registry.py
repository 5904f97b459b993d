"""All objectives: register one, find one, check its options, list them.

    find("sft").summary
    goal_of("sft", {})           # with its options, ready for a run

An objective tells what training minimises. It is one file, with its options and its loss:

    class FocalOptions(Frozen): ...

    @objective("focal", summary="Cross-entropy, less of it where the model is sure.", options=FocalOptions)
    def loss(models, batch, *, total_weight, options):
        nats = models.trained.of_targets(batch)
        return Loss(batch.weighed_sum(...) / total_weight)

All else has a default: rows, batches and FLOPs of a language model. Other packages join by an entry point in the group
`winnow.objectives` that names the module. Nothing here imports torch, so that a recipe is checked in no time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from winnow.errors import RecipeError
from winnow.ledger import NOT_CHARGED
from winnow.recipe import Frozen
from winnow.recipe.options import NoOptions, checked_options
from winnow.records import Cost
from winnow.registry import Registry
from winnow.training.objectives import language_model
from winnow.training.objectives.views import Flops, Loss, Material, Models

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from winnow.models.forward import Batch
    from winnow.models.rows import HasLengths, TokenRows
    from winnow.training.batches import Batches

GROUP = "winnow.objectives"
BUILT_IN = ("sft", "pretraining")
LOGGED = {"step", "loss", "learning_rate", "visits", *(each.name for each in fields(Cost))}
"""What every logged point has."""
Data = Literal["pool", "corpus"]


class LossFunction(Protocol):
    """What an objective is."""

    def __call__(self, models: Models, batch: "Batch", *, total_weight: float, options: Any) -> Loss:
        """The batch's sum over `total_weight`, the weight of its whole step; ready for a backward pass.

        The same sum for one batch and for the batches that it is cut into, packed or padded.
        """
        ...


class RowsFunction(Protocol):
    """Makes of a pool or corpus what batches are cut from."""

    def __call__(self, material: Material, *, options: Any) -> "TokenRows":
        """One row a visit, in the order of the table. Raises DataError where a row has nothing to learn."""
        ...


class BatchesFunction(Protocol):
    """Makes the batches of a run; its arguments are those of `EpochBatches`."""

    def __call__(self, rows: "TokenRows", plan: Any, **how: Any) -> "Batches":
        """A pure function of the step: a resumed run needs no saved position."""
        ...


class WeightFunction(Protocol):
    """What the loss of a step is divided by."""

    def __call__(self, batch: "Batch", *, options: Any) -> float:
        """The batch's part of it, known before the loss."""
        ...


class VisitFlops(Protocol):
    """What tells the reference cost of training."""

    def __call__(self, flops: Flops, rows: "HasLengths", *, options: Any) -> "NDArray[np.float64]":
        """[rows]: FLOPs of a visit to each, without padding."""
        ...


class ExecutedFlops(Protocol):
    """What tells the cost of training as it is done."""

    def __call__(self, models: Models, flops: Flops, batch: "Batch", *, is_rerun: bool, options: Any) -> float:
        """FLOPs of one micro-batch, padding included; `is_rerun`: layers run again in the backward pass."""
        ...


@dataclass(frozen=True, slots=True)
class Objective:
    """A registered objective."""

    name: str
    summary: str
    options: type[Frozen]
    takes: Data
    metrics: tuple[str, ...]
    """Logged beside the loss."""
    beside: tuple[str, ...]
    """Inputs of the run whose models look on, frozen: `start` for the weights that the run starts from."""
    rows: RowsFunction
    batches: BatchesFunction
    loss: LossFunction
    weight: WeightFunction
    visit_flops: VisitFlops
    executed_flops: ExecutedFlops


Function = TypeVar("Function", bound=LossFunction)

REGISTRY = Registry[Objective](
    "objective", "objectives", group=GROUP, package="winnow.training.objectives", built_in=BUILT_IN
)


def objective(
    name: str,
    *,
    summary: str,
    options: type[Frozen] = NoOptions,
    takes: Data = "pool",
    metrics: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    rows: RowsFunction = language_model.completions,
    batches: BatchesFunction = language_model.epochs,
    weight: WeightFunction = language_model.targets,
    visit_flops: VisitFlops = language_model.visit_flops,
    executed_flops: ExecutedFlops = language_model.executed_flops,
) -> Callable[[Function], Function]:
    """Register the decorated function as the loss of an objective; `Objective` says what the arguments mean."""

    def register(function: Function) -> Function:
        _register(
            Objective(
                name, summary, options, takes, metrics, beside, rows, batches, function, weight, visit_flops,
                executed_flops,
            )
        )  # fmt: skip
        return function

    return register


def find(name: str) -> Objective:
    """The objective of this name. Raises RecipeError."""
    return REGISTRY.find(name)


def names() -> list[str]:
    """Names of all objectives."""
    return list(REGISTRY.all())


def check(name: str, options: Mapping[str, Any]) -> Frozen:
    """The checked options of an objective. Raises RecipeError with a line for each mistake."""
    write = f"`{{name: {name}, options: {{KEY: ...}}}}`"
    return checked_options(f"objective {name}", find(name).options, options, write=write)


def _register(part: Objective) -> None:
    for word, given, taken in (("metric", part.metrics, LOGGED), ("model", part.beside, set(NOT_CHARGED))):
        if clash := [each for each in given if each in taken]:
            raise RecipeError(f"objective {part.name!r} calls a {word} {clash[0]!r}, which is taken; rename it")
    REGISTRY.add(part.name, part)
