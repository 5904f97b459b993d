"""DSIR (Xie et al. 2023): sample rows by how much more likely the target's n-grams make them than the pool's.

Hashed n-grams are drawn from one multinomial each for target and pool, add-one smoothed. The log-importance of a row
is the sum over its n-grams of log p_target - log p_pool; rows are drawn without replacement in proportion to the
importance.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Truth
from winnow.selection.gumbel import gumbel_order
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class DsirOptions(Frozen):
    """Options of `dsir`."""

    per_ngram: Truth = False
    """Take the mean over a row's n-grams, not the sum; sums make long rows extreme either way."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: DsirOptions) -> float:
    """Four for each row, a small part of the true work: its number of n-grams is not known here."""
    return 4.0 * (pool_examples + target_examples)


@selector(
    "dsir",
    summary="Rows sampled by n-gram importance of the target over the pool (DSIR).",
    options=DsirOptions,
    needs=("counts",),
    target="required",
    representation="ngrams",
    is_random=True,
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: DsirOptions, rng: np.random.Generator) -> IntArray:
    """All rows in the order in which they are drawn."""
    assert seen.counts is not None and seen.target is not None and seen.target.counts is not None
    return gumbel_order(log_importance(seen.counts, seen.target.counts, per_ngram=options.per_ngram), rng)


def log_importance(counts: "csr_array", target: "csr_array", *, per_ngram: bool = False) -> NDArray[np.float64]:
    """log p_target(row) - log p_pool(row), [pool]; of counts [pool, buckets] and [target, buckets]."""
    difference = _log_multinomial(target) - _log_multinomial(counts)
    total = counts @ difference
    return total / np.maximum(counts.sum(axis=1, dtype=np.float64), 1.0) if per_ngram else total


def _log_multinomial(counts: "csr_array") -> NDArray[np.float64]:
    """Log-probability of each bucket, add-one smoothed."""
    held = counts.sum(axis=0, dtype=np.float64) + 1.0
    return np.log(held / held.sum())
