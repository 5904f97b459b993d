"""An objective made ready for one run: with its options, and with the models that look on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from winnow.models.flops import FlopModel, flop_model
from winnow.models.forward import Batch, Losses
from winnow.models.rows import HasLengths, TokenRows
from winnow.recipe import Frozen
from winnow.training.objectives import registry
from winnow.training.objectives.registry import Objective
from winnow.training.objectives.views import Flops, Loss, Material, Models

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from winnow.training.batches import Batches


@dataclass(frozen=True)
class Goal:
    """What a run minimises."""

    objective: Objective
    options: Frozen
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Role -> frozen model."""

    def rows(self, material: Material) -> TokenRows:
        """What batches are cut from."""
        return self.objective.rows(material, options=self.options)

    def batches(self, rows: TokenRows, plan: Any, **how: Any) -> "Batches":
        """The batches of a run, see `EpochBatches`."""
        return self.objective.batches(rows, plan, **how)

    def models(self, trained: Losses) -> Models:
        """The trained model and those beside it, which compute in the same precision."""
        beside = {role: Losses(model, autocast=trained.autocast) for role, model in self.beside.items()}
        return Models(trained, beside)

    def weight(self, batch: Batch) -> float:
        """What a batch adds to the weight of its step."""
        return self.objective.weight(batch, options=self.options)

    def loss(self, models: Models, batch: Batch, *, total_weight: float) -> Loss:
        """What a batch adds to the loss of its step."""
        return self.objective.loss(models, batch, total_weight=total_weight, options=self.options)

    def visit_flops(self, flops: FlopModel, rows: HasLengths) -> "NDArray[np.float64]":
        """[rows]: reference FLOPs of a visit to each."""
        return self.objective.visit_flops(self._flops(flops), rows, options=self.options)

    def executed_flops(self, models: Models, flops: FlopModel, batch: Batch, *, is_rerun: bool) -> float:
        """FLOPs of one micro-batch as done."""
        return self.objective.executed_flops(models, self._flops(flops), batch, is_rerun=is_rerun, options=self.options)

    def _flops(self, trained: FlopModel) -> Flops:
        return Flops(trained, self._beside_flops)

    @cached_property
    def _beside_flops(self) -> dict[str, FlopModel]:
        return {role: flop_model(model) for role, model in self.beside.items()}


def goal_of(name: str, options: Mapping[str, Any] | None = None, beside: Mapping[str, Any] | None = None) -> Goal:
    """The objective of this name with these options. Raises RecipeError."""
    return Goal(registry.find(name), registry.check(name, options or {}), dict(beside or {}))


class Totals:
    """Loss and metrics of a step, summed over its batches in float64 on the device, read once after the last one."""

    def __init__(self, metrics: tuple[str, ...], device: torch.device) -> None:
        self.metrics = metrics
        self._sums = torch.zeros(1 + 2 * len(metrics), dtype=torch.float64, device=device)

    def add(self, loss: Loss) -> None:
        """One batch more; a metric that it lacks stays as it is."""
        self._sums[0] += loss.value.detach()
        for place, name in enumerate(self.metrics):
            if name in loss.metrics:
                total, weight = loss.metrics[name]
                self._sums[1 + 2 * place] += total.detach()
                self._sums[2 + 2 * place] += weight

    def numbers(self) -> list[float]:
        """The loss, then sum and weight of every metric."""
        found: list[float] = self._sums.tolist()
        return found


def means(metrics: tuple[str, ...], sums: list[float]) -> dict[str, float]:
    """Metrics of a step from sum and weight of each, over all its batches, those of other ranks included."""
    pairs = zip(sums[0::2], sums[1::2], strict=True)
    return {name: total / weight for name, (total, weight) in zip(metrics, pairs, strict=True) if weight}
