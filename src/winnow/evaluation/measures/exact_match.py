"""Whether the final answer, read from the output, is the reference's, both in one spelling."""

from collections.abc import Iterator, Sequence
from typing import Any

from winnow.evaluation.measures.registry import Item, ItemScore, measure
from winnow.metrics import EXACT_MATCH
from winnow.text.answers import normalise_answer


def is_right(extracted: str | None, target: str) -> bool:
    """Whether what was read from an output is the right answer."""
    return extracted == normalise_answer(target)


@measure("exact_match", summary="Share of items whose final answer is right.", metrics=(EXACT_MATCH,), answers="greedy")
def score(items: Sequence[Item], *, options: Any) -> Iterator[ItemScore]:
    """1 or 0."""
    for item in items:
        right = is_right(item.extracted, item.target)
        yield ItemScore(item.id, EXACT_MATCH.name, float(right), extracted=item.extracted)
