"""How much of a run a device holds at once, whether that fits, and what would make it fit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from winnow.models.costs import PeakMemory
from winnow.recipe import LoraRecipe, TrainingRecipe
from winnow.text.printing import memory
from winnow.training.sharding import ELEMENTWISE, layers_of

Predict = Callable[[TrainingRecipe], PeakMemory]

GATHERED_LAYERS = 2
"""Cut layers that are whole at once: the one that is computed, and the one that is fetched ahead."""


@dataclass(frozen=True)
class CutShares:
    """What `training.sharding: full` cuts of a model, as shares of all that is there."""

    weights: float
    """The layers' weights, of all weights."""
    trained: float
    """The layers' trained weights, of all trained ones."""
    layer: float
    """The largest layer's weights, of all weights."""


def cut_shares(model: Any) -> CutShares:
    """The shares of this model, a skeleton too. Raises RecipeError where it does not name its layers."""
    every, layers = set(model.parameters()), [set(layer.parameters()) for layer in layers_of(model)]
    cut = set().union(*layers)
    sizes = {weight: weight.numel() * weight.element_size() for weight in every}
    total, trained = sum(sizes.values()), sum(sizes[weight] for weight in every if weight.requires_grad)
    return CutShares(
        weights=sum(sizes[weight] for weight in cut) / total,
        trained=sum(sizes[weight] for weight in cut if weight.requires_grad) / trained,
        layer=max(sum(sizes[weight] for weight in layer) for layer in layers) / total,
    )


def per_device(peak: PeakMemory, cut: CutShares, devices: int, *, has_copy: bool) -> PeakMemory:
    """What one of several devices holds of a model whose layers are cut over them; all else is whole on each.

    `has_copy`: with the whole model that the first rank keeps in main memory for saving; on a CPU that is the device's.
    """

    def held(size: int, share: float) -> int:
        return int(size * (1 - share + share / devices))

    return PeakMemory(
        weights_bytes=held(peak.weights_bytes, cut.weights) + (peak.weights_bytes if has_copy else 0),
        gradients_bytes=held(peak.gradients_bytes, cut.trained),
        optimizer_bytes=held(peak.optimizer_bytes, cut.trained),
        activations_bytes=peak.activations_bytes + int(GATHERED_LAYERS * cut.layer * peak.weights_bytes),
    )


def ways_to_fit(predict: Predict, training: TrainingRecipe, room: int) -> list[str]:
    """Changes of a recipe, as `--set` takes them, that each alone bring a run below `room` bytes; empty if none."""
    found: list[str] = []
    for change in [*_smaller_micro_batches(training), *_other_changes(training)]:
        is_smaller_batch = "per_device_batch_size" in change
        if is_smaller_batch and any("per_device_batch_size" in way for way in found):
            continue
        total = predict(training.model_copy(update=change)).total_bytes
        if total <= room:
            where = ", on a GPU" if change.keys() & {"optimizer", "quantise"} else ""
            found.append(f"{' '.join(_settings(change))} ({memory(total)}{where})")
    return found


def _settings(change: dict[str, object]) -> Iterator[str]:
    for key, value in change.items():
        if isinstance(value, LoraRecipe):
            yield f"training.{key}.target_modules={value.target_modules}"
        else:
            yield f"training.{key}={str(value).lower()}"


def _smaller_micro_batches(training: TrainingRecipe) -> list[dict[str, object]]:
    """The same global batch in more micro-batches, fewest first."""
    rows = training.per_device_batch_size
    return [
        {
            "per_device_batch_size": size,
            "gradient_accumulation_steps": training.gradient_accumulation_steps * rows // size,
        }
        for size in range(rows - 1, 0, -1)
        if rows % size == 0
    ]


def _other_changes(training: TrainingRecipe) -> list[dict[str, object]]:
    changes: list[dict[str, object]] = []
    if not training.gradient_checkpointing:
        changes.append({"gradient_checkpointing": True})
    if training.method == "full":
        changes.append({"method": "lora", "lora": LoraRecipe(target_modules="all-linear")})
    if training.method == "full" and training.optimizer == "adamw":
        changes.append({"optimizer": "adamw_8bit"})
    if training.method == "lora" and training.quantise is None:
        changes.append({"quantise": "4bit"})
    if training.sharding == "none" and training.optimizer in ELEMENTWISE and training.quantise is None:
        changes.append({"sharding": "full"})  # with one device the same as without
    return changes
