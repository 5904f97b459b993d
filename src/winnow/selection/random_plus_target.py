"""The target sample itself and random rows, as many together as the reference has.

A targeted selector has seen the target; whoever may train on it should. What the selector gains over this control is
more than the target's own rows are worth.
"""

import numpy as np

from winnow.selection.registry import NoOptions, control
from winnow.selection.views import IntArray, PoolView


@control("random_plus_target", summary="The target sample, filled up with random rows.", adds_target=True)
def draw(reference: IntArray, pool: PoolView, *, size: int, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """`size` random rows; the stage puts the target sample before them."""
    return rng.permutation(len(pool))[:size]
