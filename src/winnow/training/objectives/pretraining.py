"""Pretraining: cross-entropy of every token of plain text, documents end to end in rows of one length."""

from typing import TYPE_CHECKING

from winnow.training.objectives.language_model import documents
from winnow.training.objectives.registry import NoOptions, objective
from winnow.training.objectives.views import Loss, Models

if TYPE_CHECKING:
    from winnow.models.forward import Batch


@objective("pretraining", summary="Cross-entropy of every token of plain text.", takes="corpus", rows=documents)
def loss(models: Models, batch: "Batch", *, total_weight: float, options: NoOptions) -> Loss:
    """Nats per token, its head a block at a time."""
    return Loss(models.trained.scaled_sum(batch, total_weight))
