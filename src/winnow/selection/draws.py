"""Random draws by group, nested: with one seed, a larger draw holds the smaller one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.selection.views import IntArray


def occurrences(groups: NDArray[Any]) -> IntArray:
    """For each row, how many rows of its group stand before it: a b a a -> 0 0 1 2."""
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    before = np.empty(len(groups), dtype=np.int64)
    before[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return before


def draw_counts(groups: IntArray, counts: IntArray, rng: np.random.Generator) -> IntArray:
    """Random rows, exactly `counts[g]` of each group g, in random order. Every group must hold as many."""
    shuffled = rng.permutation(len(groups))
    kept = occurrences(groups[shuffled]) < counts[groups[shuffled]]
    assert kept.sum() == counts.sum(), "a group holds fewer rows than are drawn from it"
    return shuffled[kept]
