"""Cross-entropy of the reference completion, in nats per target token: items weigh by their target tokens."""

from collections.abc import Iterator, Sequence
from typing import Any

from winnow.evaluation.measures.registry import Item, ItemScore, measure
from winnow.metrics import LOSS


@measure("loss", summary="Loss of the reference completion per target token.", metrics=(LOSS,), of_open=True)
def score(items: Sequence[Item], *, options: Any) -> Iterator[ItemScore]:
    """0 with a weight of 0 where nothing of the completion is left."""
    for item in items:
        yield ItemScore(item.id, LOSS.name, item.loss / max(1, item.target_tokens), float(item.target_tokens))
