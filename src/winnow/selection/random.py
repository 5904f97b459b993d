"""Uniformly random rows without replacement; with one seed, small fractions lie inside large ones."""

import numpy as np

from winnow.selection.registry import NoOptions, selector
from winnow.selection.views import IntArray, PoolView, Seen


@selector("random", summary="Uniformly random rows.", is_random=True)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """A random order of all rows."""
    return rng.permutation(len(pool))
