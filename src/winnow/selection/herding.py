"""Kernel herding: the greedy choice of rows whose mean feature comes closest to the pool's, or to a target's.

Welling 2009; Chen, Welling, Smola 2010. With s_t the sum of the first t chosen rows, the next is the unused row with
the largest z . ((t + 1) mu - s_t) - |z|^2 / 2, which is exactly the greedy minimiser of |s / (t + 1) - mu|^2, the
squared maximum mean discrepancy in the kernel that the features stand for.

Every choice looks at the whole pool until 2e8 rows were looked at; after that, and from the start with `candidates:
stochastic`, the t-th choice looks at max(32, window x N / t) rows only: total work window x N x D ln k, linear in N.
The number does not depend on k, so selections stay nested, nor on the seed, so they repeat.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from winnow.recipe import Frozen
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

EXACT_ROWS = 2e8
"""Rows looked at before `auto` narrows down: about a minute of one CPU thread with 1,024 features."""
MIN_WINDOW = 32
FLOAT32_ERROR = 1e-5
"""Bound on the error of a float32 score, over the lengths of what is multiplied."""
MAX_FINALISTS = 1024
"""Rows that are scored again at most; so many are within the error of the best only where copies abound."""


class HerdingOptions(Frozen):
    """Options of `herding`."""

    candidates: Literal["auto", "all", "stochastic"] = "auto"
    """Rows looked at for each choice: all, a narrowing window, or all as long as that is affordable."""
    window: Annotated[float, Field(gt=0)] = 4.0
    """Width of the stochastic window; 1 takes half the time of 4 and chooses slightly worse."""


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
    return herd(seen.features, aim.mean(axis=0, dtype=np.float64), looked=looked, shuffled=shuffle_by_id(pool.ids))


def looked_at(size: int, pool_examples: int, options: HerdingOptions) -> IntArray:
    """How many rows each of `size` choices looks at."""
    choice = np.arange(1, size + 1)
    window = np.clip(np.ceil(options.window * pool_examples / choice), MIN_WINDOW, None).astype(np.int64)
    if options.candidates == "all":
        window[:] = pool_examples
    elif options.candidates == "auto":
        window[choice * float(pool_examples) <= EXACT_ROWS] = pool_examples
    return np.minimum(window, pool_examples)


class Windows:
    """Disjoint windows over a shuffled pool, lap after lap; rows chosen meanwhile drop out between laps."""

    def __init__(self, shuffled: IntArray) -> None:
        self.left = shuffled
        self.start = 0

    def next(self, width: int, used: NDArray[np.bool_]) -> IntArray:
        """The next unused rows, `width` of them or all that are left, in ascending order."""
        if self.start == 0 or self.start + width > len(self.left):
            rest = np.roll(self.left, -self.start)
            self.left, self.start = rest[~used[rest]], 0
        window = self.left[self.start : self.start + width]
        self.start += len(window)
        return np.sort(window)


def herd(rows: FloatArray, aim: NDArray[np.float64], *, looked: IntArray, shuffled: IntArray) -> IntArray:
    """The greedy's rows, one for each entry of `looked`, which says how many rows that choice looks at.

    Windows go over `shuffled`, an order of all rows. The running sum is float64.
    """
    half_norms = np.einsum("nd,nd->n", rows, rows, dtype=np.float64) / 2
    used = np.zeros(len(rows), dtype=bool)
    windows = Windows(shuffled)
    total = np.zeros(rows.shape[1])
    chosen = np.empty(len(looked), dtype=np.int64)
    for t, width in enumerate(looked):
        pull = (t + 1) * aim - total
        if width == len(rows):
            best = _best(rows, half_norms, used, pull)
        else:
            window = windows.next(int(width), used)
            best = int(window[_best(rows[window], half_norms[window], used[window], pull)])
        chosen[t] = best
        used[best] = True
        total += rows[best]
    return chosen


def _best(rows: FloatArray, half_norms: NDArray[np.float64], used: NDArray[np.bool_], pull: NDArray[np.float64]) -> int:
    """The unused row with the highest score, the lowest of those that tie.

    Scores are float32; those too close to call are scored again in float64 and rounded, so that the choice does not
    hang on the last bits of a matrix product.
    """
    scores = rows @ pull.astype(np.float32) - half_norms.astype(np.float32)
    scores[used] = -np.inf
    error = FLOAT32_ERROR * float(np.sqrt(2 * half_norms.max()) * np.linalg.norm(pull) + half_norms.max())
    close = np.flatnonzero(scores >= scores.max() - error)[:MAX_FINALISTS]
    if len(close) == 1:
        return int(close[0])
    finalists = rows[close].astype(np.float64) @ pull - half_norms[close]
    return int(close[np.argmax(np.round(finalists, 9))])


def shuffle_by_id(ids: Sequence[str]) -> IntArray:
    """A shuffle that a row's id alone decides: rows added or removed leave the others' order as it was."""
    hashes: list[Any] = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) for name in ids]
    return np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")
