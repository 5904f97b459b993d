"""Target rows take turns, each giving the unused pool row that is most like it (cosine similarity).

So every target row is served alike, where a maximum or mean over the target is filled by whatever is close to its
densest part. A turn that finds its best row used takes the next best, so selections are nested. The result is that
of full lists of the whole pool; lists are kept short and made longer when one runs out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from winnow.selection.features import unit_rows
from winnow.selection.views import FloatArray, IntArray

HEADROOM = 4
"""First length of a target row's list, over the rows that it will give if all are free."""
MIN_DEPTH = 32
DECIMALS = 9
"""Similarities are float64 and rounded, so that the choice does not hang on the last bits of a matrix product."""
MAX_SIMILARITIES = 1 << 24
"""Similarities held at once: 128 MiB."""
MAX_CONVERTED = 1 << 22
"""Numbers converted to float64 at once: 32 MiB."""


def round_robin(vectors: FloatArray, target: FloatArray, size: int) -> IntArray:
    """`size` rows of `vectors` [pool, dimensions], one for each turn of a row of `target` [target, dimensions].

    Ties go to the lower row. The similarity of a row of zeros is 0.
    """
    used = np.zeros(len(vectors), dtype=bool)
    chosen: list[int] = []
    depth = MIN_DEPTH + HEADROOM * size // len(target)
    while len(chosen) < size:
        _take_turns([*_nearest(vectors, target, used, depth)], used, chosen, size)
        depth *= 2
    return np.array(chosen, dtype=np.int64)


def round_robin_flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: object) -> float:
    """A multiplication and an addition for each dimension of each pair of pool and target rows, once.

    Where a list runs out and all are made longer, the true work is a multiple of it.
    """
    return 2.0 * width * pool_examples * target_examples


def _take_turns(lists: list[IntArray], used: NDArray[np.bool_], chosen: list[int], size: int) -> None:
    """Add to `chosen` and mark as used, until there are `size` or a list runs out at its turn."""
    places = [0] * len(lists)
    while len(chosen) < size:
        turn = len(chosen) % len(lists)
        rows, place = lists[turn], places[turn]
        while place < len(rows) and used[rows[place]]:
            place += 1
        if place == len(rows):
            return
        used[rows[place]] = True
        chosen.append(int(rows[place]))
        places[turn] = place + 1


def _nearest(vectors: FloatArray, target: FloatArray, used: NDArray[np.bool_], depth: int) -> Iterator[IntArray]:
    """For each target row the `depth` unused pool rows most like it, best first."""
    kept = min(depth, int((~used).sum()))
    at_once = max(1, MAX_SIMILARITIES // len(vectors))
    for start in range(0, len(target), at_once):
        similarities = _cosines(vectors, target[start : start + at_once])
        similarities[:, used] = -np.inf
        yield from (_largest(row, kept) for row in similarities)


def _largest(values: NDArray[np.float64], count: int) -> IntArray:
    """Positions of the `count` largest, in descending order, the lower position first among equals."""
    edge = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > edge)
    level = np.flatnonzero(values == edge)[: count - len(above)]
    kept = np.sort(np.concatenate([above, level]))
    return kept[np.argsort(-values[kept], kind="stable")]


def _cosines(vectors: FloatArray, target: FloatArray) -> NDArray[np.float64]:
    """Cosine similarities, [target, pool]."""
    aims = unit_rows(target)
    found = np.empty((len(target), len(vectors)))
    block = max(1, MAX_CONVERTED // vectors.shape[1])
    for start in range(0, len(vectors), block):
        found[:, start : start + block] = aims @ unit_rows(vectors[start : start + block]).T
    return np.round(found, DECIMALS, out=found)
