"""A sample of a stream up to a budget, every item as likely as any other, in one pass and in the memory of the sample.

    rows = sample_to_budget(stream, budget=1_000_000, size=count_tokens, identity=lambda row: row.id, seed=0)

Every item has a place in a random order that its identity and the seed decide (bottom-k sampling; Cohen and Kaplan
2007). The sample is that order's beginning, up to the item with which the budget is reached: it exceeds the budget by
less than one item. So the order of the stream does not matter, and a smaller sample is part of a larger one.

A stopping rule in units of size cannot be quite indifferent to size: of two items the longer is likelier to be drawn by
less than the difference of their sizes over the size of the whole stream, relative to its own chance.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

from winnow.errors import DataError
from winnow.pool.cleaning import rank

Item = TypeVar("Item")


def sample_to_budget(
    stream: Iterable[Item],
    *,
    budget: int,
    size: Callable[[Item], int],
    identity: Callable[[Item], str],
    seed: int,
) -> list[Item]:
    """The sample, in the random order; all items where they do not reach the budget.

    Identities must differ from each other. Raises DataError where an item has no positive size.
    """
    kept: list[tuple[int, int, int, Item]] = []
    total = 0
    for number, item in enumerate(stream):
        length = size(item)
        if length <= 0:
            raise DataError(
                f"{identity(item)!r} has size {length}; every item of a sample to a budget needs a positive one"
            )
        place = -int.from_bytes(rank(identity(item), seed))
        if total >= budget and place < kept[0][0]:
            continue
        heapq.heappush(kept, (place, -number, length, item))
        total += length
        while total - kept[0][2] >= budget:
            total -= heapq.heappop(kept)[2]
    return [item for _, _, _, item in sorted(kept, key=lambda entry: -entry[0])]
