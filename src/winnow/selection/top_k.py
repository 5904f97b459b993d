"""Rows with the highest scores. On small models extremes of the loss are outliers first: compare with `band`."""

import numpy as np

from winnow.selection.ranks import ScoreOptions, ranked, source_numbers
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen


@selector("top_k", summary="Rows with the highest scores.", options=ScoreOptions, needs=("scores",))
def order(pool: PoolView, *, size: int, seen: Seen, options: ScoreOptions, rng: np.random.Generator) -> IntArray:
    """All rows, the highest score of each source first; ties by id."""
    assert seen.scores is not None
    return ranked(-seen.scores, source_numbers(pool.sources, options.inside_sources))
