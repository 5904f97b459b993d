"""Merge the orders of groups (sources, strata, clusters) so that every prefix keeps given shares.

With offsets of one half this is the divisor method of Webster and Sainte-Laguë: the j-th row of a group of share p
comes at (j + 1/2) / p, so each turn goes to the group that is furthest behind its share. A group that has run out
gives its turns to the others, in proportion. With random offsets the expected number of a group's rows in a prefix
of t is p t exactly, as in systematic sampling, however small the group.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError, nearest
from winnow.selection.draws import occurrences
from winnow.selection.views import IntArray

HALF = 0.5


def interleave(groups: IntArray, shares: NDArray[np.float64], offsets: NDArray[np.float64] | float = HALF) -> IntArray:
    """Positions of `groups` in merged order.

    `groups` [rows]: the group of each row, each group's rows in their own order, which is kept. `shares` [groups]
    need not sum to 1; groups of share 0 come last, taking turns. `offsets` [groups] lie in [0, 1). Ties go to the lower
    group.
    """
    turn = occurrences(groups)
    start = np.broadcast_to(offsets, shares.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        due = np.where(shares[groups] > 0, (turn + start[groups]) / shares[groups], np.inf)
    return np.lexsort((groups, turn, due))


def random_at_shares(groups: IntArray, shares: NDArray[np.float64], rng: np.random.Generator) -> IntArray:
    """All rows in random order inside each group, merged by shares [groups]; a larger draw holds the smaller one."""
    shuffled = rng.permutation(len(groups))
    return shuffled[interleave(groups[shuffled], shares, rng.random(len(shares)))]


def frequencies(groups: IntArray, num_groups: int) -> NDArray[np.float64]:
    """Share of each group among the rows, [groups]."""
    return np.bincount(groups, minlength=num_groups) / len(groups)


def shares_of(given: Mapping[str, float], names: Sequence[str], *, of: str) -> NDArray[np.float64]:
    """The given shares in the order of `names`, 0 for those not given.

    Raises DataError where a given name is none of `names`; `of` says whose shares they are.
    """
    unknown = sorted(set(given) - set(names))
    if unknown:
        known = ", ".join(str(name) for name in names)
        raise DataError(f"{of} names source {unknown[0]!r}{nearest(unknown[0], names)}; the pool has only {known}")
    return np.array([given.get(str(name), 0.0) for name in names])


def target_shares(sources: NDArray[np.str_], names: Sequence[str]) -> NDArray[np.float64]:
    """Share of each of the pool's sources `names` in a target sample, [names]. Raises DataError for other sources."""
    found, counts = np.unique(sources, return_counts=True)
    given = {str(name): float(count) for name, count in zip(found, counts / len(sources), strict=True)}
    return shares_of(given, names, of="the target sample")
