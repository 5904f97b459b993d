"""How many tokens a model is as unsure between as if all of them were equally likely."""

from collections.abc import Iterator, Sequence
from typing import Any

from winnow.evaluation.measures.registry import Item, ItemScore, measure
from winnow.metrics import METRICS

PERPLEXITY = METRICS["perplexity"]


@measure("perplexity", summary="Exponential of the loss per target token.", metrics=(PERPLEXITY,), of_open=True)
def score(items: Sequence[Item], *, options: Any) -> Iterator[ItemScore]:
    """Log-likelihood per target token; a set's level is the exponential of the mean, items weighing by their tokens."""
    for item in items:
        yield ItemScore(item.id, PERPLEXITY.name, -item.loss / max(1, item.target_tokens), float(item.target_tokens))
