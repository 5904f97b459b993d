"""Rows with the lowest scores: low loss is easy or repeated text, low length short text."""

import numpy as np

from winnow.selection.ranks import ScoreOptions, ranked, source_numbers
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen


@selector("bottom_k", summary="Rows with the lowest scores.", options=ScoreOptions, needs=("scores",))
def order(pool: PoolView, *, size: int, seen: Seen, options: ScoreOptions, rng: np.random.Generator) -> IntArray:
    """All rows, the lowest score of each source first; ties by id."""
    assert seen.scores is not None
    return ranked(seen.scores, source_numbers(pool.sources, options.inside_sources))
