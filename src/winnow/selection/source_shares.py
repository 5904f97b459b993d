"""Random rows at the target's shares by source: what a target buys where sources are labelled.

A selector that looks at examples has to beat it before its looking is worth anything.
"""

import numpy as np

from winnow.selection.registry import NoOptions, selector
from winnow.selection.shares import random_at_shares, target_shares
from winnow.selection.views import IntArray, PoolView, Seen


@selector("source_shares", summary="Random rows at the target's shares by source.", target="required", is_random=True)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """All rows; sources that the target lacks come last.

    Raises DataError where the target has a source that the pool lacks.
    """
    assert seen.target is not None
    names, source = np.unique(pool.sources, return_inverse=True)
    return random_at_shares(source, target_shares(seen.target.sources, names.tolist()), rng)
