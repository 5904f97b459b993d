"""Random rows, equally many of every source: the arm that took most of what targeted selectors gained.

Sources take turns, each giving its rows in random order, so orders are nested, and when a source has run out the
others share its turns.
"""

import numpy as np

from winnow.selection.draws import occurrences
from winnow.selection.registry import NoOptions, selector
from winnow.selection.views import IntArray, PoolView, Seen


@selector("equal_shares", summary="Random rows, equally many of every source.", is_random=True)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """All rows: first one of each source, then a second of each, and so on."""
    names, source = np.unique(pool.sources, return_inverse=True)
    shuffled = rng.permutation(len(pool))
    turn_of_source = rng.permutation(len(names))
    turns = np.lexsort((turn_of_source[source[shuffled]], occurrences(source[shuffled])))
    return shuffled[turns]
