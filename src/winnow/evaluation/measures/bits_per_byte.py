"""Cross-entropy in bits per byte of text: what models with different tokenizers can be compared by."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from winnow.evaluation.measures.registry import Item, ItemScore, measure
from winnow.metrics import METRICS

BITS = METRICS["bits_per_byte"]


@measure("bits_per_byte", summary="Bits per byte of the reference text.", metrics=(BITS,), of_open=True)
def score(items: Sequence[Item], *, options: Any) -> Iterator[ItemScore]:
    """Nats x tokens / (bytes x ln 2), so that items weigh by their bytes; one whose bytes are not known has none."""
    for item in items:
        if item.target_bytes:
            bits = item.loss / math.log(2)
            yield ItemScore(item.id, BITS.name, bits / item.target_bytes, float(item.target_bytes))
