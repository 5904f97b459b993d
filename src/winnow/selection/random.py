"""Uniformly random rows without replacement; with one seed, small fractions lie inside large ones.

Two arms that differ in `draw` alone are random against random, a comparison in which nothing is to be found:
`{selector: random, name: placebo, options: {draw: 1}}`.
"""

import numpy as np

from winnow.recipe import Frozen, Seed
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen


class RandomOptions(Frozen):
    """Options of `random`."""

    draw: Seed = 0
    """Which of a seed's independent draws, from 0."""


@selector("random", summary="Uniformly random rows.", options=RandomOptions, is_random=True)
def order(pool: PoolView, *, size: int, seen: Seen, options: RandomOptions, rng: np.random.Generator) -> IntArray:
    """A random order of all rows."""
    for _ in range(options.draw):
        rng.permutation(len(pool))
    return rng.permutation(len(pool))
