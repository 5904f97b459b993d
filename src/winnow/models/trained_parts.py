"""Which weights of a layout train, and how adapters lie on it: what PEFT and `training.freeze` do, without them.

parts = trained_parts(layout, recipe.training)       # None where only the model itself can tell
parts.adapted, parts.trained
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.models.layouts import Layout, Matrix, Shape
from winnow.recipe import LoraRecipe, TrainingRecipe

ALL_LINEAR = "all-linear"
PREFIX = "base_model.model."
"""What PEFT puts before the names of the base's modules."""


@dataclass(frozen=True, slots=True)
class TrainedParts:
    """What of a model is trained."""

    trained: frozenset[str]
    """Names of the base's trained weights."""
    adapted: frozenset[str]
    """Names of the matrices with an adapter."""
    lora: LoraRecipe | None
    """The adapters; null where there are none."""

    def adapter_weights(self, layout: Layout) -> dict[str, Shape]:
        """Name, as in PEFT's file -> shape of every weight of the adapters."""
        if self.lora is None:
            return {}
        found: dict[str, Shape] = {}
        for matrix in layout.matrices:
            if matrix.name in self.adapted:
                found |= self._of_matrix(matrix, self.lora)
        return found

    def _of_matrix(self, matrix: Matrix, lora: LoraRecipe) -> dict[str, Shape]:
        at = f"{PREFIX}{matrix.name}"
        magnitude = {f"{at}.lora_magnitude_vector": (matrix.outputs,)} if lora.use_dora else {}
        lower, upper = (lora.r, matrix.inputs), (matrix.outputs, lora.r)
        return {f"{at}.lora_A.weight": lower, f"{at}.lora_B.weight": upper, **magnitude}

    def num_trained(self, layout: Layout) -> int:
        """Trained weights, those of adapters included."""
        own = sum(math.prod(shape) for name, shape in layout.weights.items() if name in self.trained)
        return own + self.num_added(layout)

    def num_added(self, layout: Layout) -> int:
        """Weights of the adapters."""
        return sum(math.prod(shape) for shape in self.adapter_weights(layout).values())


def trained_parts(layout: Layout, training: TrainingRecipe) -> TrainedParts | None:
    """What is trained; None where the layout does not tell, or the recipe asks for what is not there."""
    unfrozen = _after_freezing(layout, training.freeze)
    if training.method != "lora" or unfrozen is None:
        return unfrozen
    if training.peft is not None:
        return None
    adapted = _adapted(layout, training.lora.target_modules)
    ranks = [min(each.inputs, each.outputs) for each in layout.matrices if each.name in (adapted or ())]
    is_possible = training.lora.r <= max(ranks, default=0)
    return TrainedParts(frozenset(), adapted, training.lora) if adapted and is_possible else None


def _after_freezing(layout: Layout, patterns: Sequence[str]) -> TrainedParts | None:
    """All weights but those that an expression finds; None where one finds nothing, or nothing is left."""
    names = list(layout.weights)
    if any(not any(re.search(pattern, name) for name in names) for pattern in patterns):
        return None
    trained = frozenset(name for name in names if not any(re.search(pattern, name) for pattern in patterns))
    return TrainedParts(trained, frozenset(), None) if trained else None


def _adapted(layout: Layout, targets: str | Sequence[str] | None) -> frozenset[str] | None:
    """Names of the matrices that PEFT finds; None where a target is no matrix of the layers, or none is named."""
    names = [matrix.name for matrix in layout.matrices]
    if targets == ALL_LINEAR:
        return frozenset(names)
    if targets in ("attention", "mlp"):
        parts = [each.attention if targets == "attention" else each.feed_forward for each in layout.layers]
        return frozenset(matrix.name for part in parts for matrix in part.matrices)
    if targets is None or isinstance(targets, str):  # a regular expression may also find other modules
        return None

    def found(target: str) -> list[str]:
        return [name for name in names if name == target or name.endswith(f".{target}")]

    by_target = [found(target) for target in targets]
    return frozenset(name for each in by_target for name in each) if all(by_target) else None
