"""Scores as ranks, inside each source or over all of them.

A threshold on raw scores throws whole sources away, since sources differ in level; ranked inside its source, each
source keeps its share at every size.
"""

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Truth
from winnow.selection.shares import frequencies, interleave
from winnow.selection.views import IntArray


class ScoreOptions(Frozen):
    """Options that selectors by score share."""

    inside_sources: Truth = True
    """Rank inside each source, so that every source keeps its share of the pool; else over the whole pool."""


def source_numbers(sources: NDArray[np.str_], inside_sources: bool = True) -> IntArray:
    """Number of each row's source, in the order of their names; one number for all where sources do not count."""
    if not inside_sources:
        return np.zeros(len(sources), dtype=np.int64)
    return np.unique(sources, return_inverse=True)[1].astype(np.int64)


def ranked(keys: NDArray[np.float64], groups: IntArray) -> IntArray:
    """All rows by ascending key, ties by id, groups merged so that each keeps its share in every prefix."""
    ascending = np.argsort(keys, kind="stable")
    return ascending[interleave(groups[ascending], frequencies(groups, int(groups.max()) + 1))]


def quantiles(scores: NDArray[np.float64], groups: IntArray) -> NDArray[np.float64]:
    """Share of a row's group that scores lower than it, ties counted half: in (0, 1), 0.5 where all score alike."""
    from scipy.stats import rankdata

    found = np.empty(len(scores))
    for group in range(int(groups.max()) + 1):
        rows = np.flatnonzero(groups == group)
        found[rows] = (rankdata(scores[rows]) - 0.5) / max(len(rows), 1)
    return found
