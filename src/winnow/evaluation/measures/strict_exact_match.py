r"""Whether the right answer is declared to be one, after `####` or in `\boxed{}`, instead of just coming last."""

from collections.abc import Iterator, Sequence
from typing import Any

from winnow.evaluation.measures.exact_match import is_right
from winnow.evaluation.measures.registry import Item, ItemScore, measure
from winnow.metrics import METRICS
from winnow.text.answers import extract_declared_answer

STRICT = METRICS["strict_exact_match"]


def is_declared(output: str) -> bool:
    """Whether an output says which its answer is."""
    return extract_declared_answer(output, options=0) is not None


@measure(
    "strict_exact_match",
    summary="Share of items whose right answer is declared to be one.",
    metrics=(STRICT,),
    answers="greedy",
)
def score(items: Sequence[Item], *, options: Any) -> Iterator[ItemScore]:
    """1 or 0."""
    for item in items:
        is_hit = is_right(item.extracted, item.target) and is_declared(item.output or "")
        yield ItemScore(item.id, STRICT.name, float(is_hit), extracted=item.extracted)
