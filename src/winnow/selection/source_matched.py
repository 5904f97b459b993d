"""Random rows with exactly the reference's number of rows of each source.

What a targeted selector gains over this control is not owed to its shares of sources.
"""

import numpy as np

from winnow.selection.draws import draw_counts
from winnow.selection.registry import NoOptions, control
from winnow.selection.views import IntArray, PoolView


@control("source_matched", summary="Random rows with another arm's number of rows per source.")
def draw(reference: IntArray, pool: PoolView, *, size: int, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """As many random rows of each source as the reference has."""
    names, source = np.unique(pool.sources, return_inverse=True)
    return draw_counts(source, np.bincount(source[reference], minlength=len(names)), rng)
