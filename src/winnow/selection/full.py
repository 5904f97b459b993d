"""All rows, in the order of their ids."""

import numpy as np

from winnow.selection.registry import NoOptions, selector
from winnow.selection.views import IntArray, PoolView, Seen


@selector("full", summary="The whole pool.", takes_fraction=False)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """Every row."""
    return np.arange(len(pool))
