"""What an objective sees, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from winnow.recipe import TrainingRecipe

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from winnow.models.flops import FlopModel
    from winnow.models.forward import Losses


@dataclass(frozen=True, slots=True)
class Material:
    """What a run trains on."""

    table: "pa.Table"
    """Of a pool its chosen examples, with `id`, `prompt_ids`, `completion_ids`; of a corpus documents, with `text`."""
    training: TrainingRecipe
    tokenizer: Any
    context_tokens: int | None
    """Length of packed sequences; null where the recipe asks for none."""


@dataclass(frozen=True, slots=True)
class Models:
    """The model that is trained, and those that only look on."""

    trained: "Losses"
    beside: "Mapping[str, Losses]" = field(default_factory=dict)
    """Role -> a frozen model in evaluation mode: what the objective asked for as `beside`."""


@dataclass(frozen=True, slots=True)
class Flops:
    """What examples cost in these models."""

    trained: "FlopModel"
    beside: "Mapping[str, FlopModel]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a batch adds to the loss of its step."""

    value: "Tensor"
    """The sum over the batch, divided by the weight of the whole step: so that the cut into batches does not matter."""
    metrics: "Mapping[str, tuple[Tensor, float]]" = field(default_factory=dict)
    """Name -> sum over the batch, and what to divide the sums of all batches by; for the log alone."""
