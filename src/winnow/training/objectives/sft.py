"""Supervised fine-tuning: cross-entropy of the target tokens of prompt and completion.

A step's loss is the mean over all its targets, not over examples or micro-batches: a long answer counts by its length.
"""

from typing import TYPE_CHECKING

from winnow.training.objectives.registry import NoOptions, objective
from winnow.training.objectives.views import Loss, Models

if TYPE_CHECKING:
    from winnow.models.forward import Batch


@objective("sft", summary="Cross-entropy of each example's target tokens.")
def loss(models: Models, batch: "Batch", *, total_weight: float, options: NoOptions) -> Loss:
    """Nats per target token, its head a block at a time."""
    return Loss(models.trained.scaled_sum(batch, total_weight))
