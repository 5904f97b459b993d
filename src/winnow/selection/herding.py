"""Kernel herding: the greedy choice of rows whose mean feature comes closest to the pool's, or to a target's.

Welling 2009; Chen, Welling, Smola 2010. With s_t the sum of the first t chosen rows, the next is the unused row with
the largest z . ((t + 1) mu - s_t) - |z|^2 / 2, which is exactly the greedy minimiser of |s / (t + 1) - mu|^2, the
squared maximum mean discrepancy in the kernel that the features stand for.

The first (1e6 / N)^2 choices look at the whole pool: all of them in a pool of 10,000, a hundred in one of 100,000, one
in a million. After those, and from the start with `candidates: stochastic`, the t-th choice looks at
max(32, window x N / t) rows only: total work window x N x D ln k, linear in N. Neither number depends on k, so
selections stay nested, nor on the seed, so they repeat.

A choice is one matrix-vector product over the rows looked at, too little work at a time for a GPU: there b = t / 32
choices could be made at once, one from each of b disjoint windows, all scored with one product. The b best rows of one
window will not do: they are near-copies of one another.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Positive
from winnow.selection.features import mean_row, squared_norms
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

EXACT_SCALE = 1e6
"""Pool size at which `auto` looks at everything once. Exact choices look at EXACT_SCALE^2 / N rows in all, so larger
pools spend less on them and more on windows."""
MIN_WINDOW = 32
FLOAT32_ERROR = 1e-5
"""Bound on the error of a float32 score, over the lengths of what is multiplied."""
GATHERED_BYTES = 2**20
"""Of the rows of a window that are copied side by side before they are multiplied: fits into a core's cache."""
MAX_FINALISTS = 1024
"""Rows that are scored again at most; so many are within the error of the best only where copies abound."""


class HerdingOptions(Frozen):
    """Options of `herding`."""

    candidates: Literal["auto", "all", "stochastic"] = "auto"
    """Rows looked at for each choice: all, a narrowing window, or all as long as that is affordable."""
    window: Positive = 0.25
    """Width of the stochastic window, in pools: wider takes longer and chooses slightly better."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: HerdingOptions) -> float:
    """A multiplication and an addition for every feature of every row looked at."""
    return 2.0 * width * float(looked_at(size, pool_examples, options).sum())


@selector(
    "herding",
    summary="Rows whose mean feature matches the pool's, or the target's, greedily.",
    options=HerdingOptions,
    needs=("features",),
    target="optional",
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: HerdingOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows, in the order in which the greedy takes them."""
    assert seen.features is not None
    aim = seen.features if seen.target is None else seen.target.features
    assert aim is not None
    looked = looked_at(size, len(pool), options)
    return herd(seen.features, mean_row(aim), looked=looked, shuffled=shuffle_by_id(pool.ids))


def looked_at(size: int, pool_examples: int, options: HerdingOptions) -> IntArray:
    """How many rows each of `size` choices looks at."""
    choice = np.arange(1, size + 1)
    window = np.clip(np.ceil(options.window * pool_examples / choice), MIN_WINDOW, None).astype(np.int64)
    if options.candidates == "all":
        window[:] = pool_examples
    elif options.candidates == "auto":
        window[choice <= (EXACT_SCALE / pool_examples) ** 2] = pool_examples
    return np.minimum(window, pool_examples)


class Windows:
    """Disjoint windows over a shuffled pool, lap after lap; rows chosen meanwhile drop out between laps."""

    def __init__(self, shuffled: IntArray) -> None:
        self.left = shuffled
        self.start = 0

    def next(self, width: int, used: NDArray[np.bool_]) -> IntArray:
        """The next unused rows, `width` of them or all that are left."""
        if self.start == 0 or self.start + width > len(self.left):
            rest = np.roll(self.left, -self.start)
            self.left, self.start = rest[~used[rest]], 0
        window = self.left[self.start : self.start + width]
        self.start += len(window)
        return window


class Judge:
    """Finds the best of some rows for a pull p: the largest z . p - |z|^2 / 2, the lowest row of those that tie.

    Scores are float32; those too close to call are scored again in float64 and rounded, so that the choice does not
    hang on the last bits of a matrix product.
    """

    def __init__(self, rows: FloatArray) -> None:
        self.rows = np.ascontiguousarray(rows, dtype=np.float32)
        self.half_norms = squared_norms(self.rows) / 2
        self.float32_half_norms = self.half_norms.astype(np.float32)
        self.largest = float(self.half_norms.max())
        self.gathered = np.empty((max(1, GATHERED_BYTES // self.rows[0].nbytes), rows.shape[1]), dtype=np.float32)

    def best_of_all(self, pull: NDArray[np.float64], used: NDArray[np.bool_]) -> int:
        """The best row of those not used yet."""
        scores = self.rows @ pull.astype(np.float32) - self.float32_half_norms
        scores[used] = -np.inf
        return self._best(scores, np.arange(len(scores)), pull)

    def best_of(self, window: IntArray, pull: NDArray[np.float64]) -> int:
        """The best row of a window, in which all are unused."""
        scores = np.empty(len(window), dtype=np.float32)
        float32_pull = pull.astype(np.float32)
        for start in range(0, len(window), len(self.gathered)):
            part = window[start : start + len(self.gathered)]
            block = self.rows.take(part, axis=0, out=self.gathered[: len(part)], mode="clip")
            np.dot(block, float32_pull, out=scores[start : start + len(part)])
        scores -= self.float32_half_norms[window]
        return self._best(scores, window, pull)

    def _best(self, scores: FloatArray, rows: IntArray, pull: NDArray[np.float64]) -> int:
        error = FLOAT32_ERROR * (sqrt(2 * self.largest * float(pull @ pull)) + self.largest)
        close = np.flatnonzero(scores >= scores.max() - error)
        if len(close) == 1:
            return int(rows[close[0]])
        finalists = np.sort(rows[close])[:MAX_FINALISTS]
        again = self.rows[finalists].astype(np.float64) @ pull - self.half_norms[finalists]
        return int(finalists[np.argmax(np.round(again, 9))])


def herd(rows: FloatArray, aim: NDArray[np.float64], *, looked: IntArray, shuffled: IntArray) -> IntArray:
    """The greedy's rows, one for each entry of `looked`, which says how many rows that choice looks at.

    Windows go over `shuffled`, an order of all rows. The pull (t + 1) mu - s_t is a running sum in float64.
    """
    judge = Judge(rows)
    used = np.zeros(len(rows), dtype=bool)
    windows = Windows(shuffled)
    pull = aim.copy()
    chosen = np.empty(len(looked), dtype=np.int64)
    for t, width in enumerate(looked.tolist()):
        is_all = width == len(rows)
        best = judge.best_of_all(pull, used) if is_all else judge.best_of(windows.next(width, used), pull)
        chosen[t] = best
        used[best] = True
        pull += aim
        pull -= rows[best]
    return chosen


def shuffle_by_id(ids: Sequence[str]) -> IntArray:
    """A shuffle that a row's id alone decides: rows added or removed leave the others' order as it was."""
    hashes = b"".join([blake2b(name.encode(), digest_size=8).digest() for name in ids])
    return np.argsort(np.frombuffer(hashes, dtype=">u8").astype(np.uint64), kind="stable")
