"""Rows whose scores lie nearest to a quantile, such as the middle (perplexity pruning: Marion et al. 2023).

The band widens with the size around its centre, so a smaller selection lies inside a larger one.
"""

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Share
from winnow.selection.ranks import ScoreOptions, quantiles, ranked, source_numbers
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen

DECIMALS = 9
"""Distances are rounded, so that rows equally far below and above the centre tie."""


class BandOptions(ScoreOptions):
    """Options of `band`."""

    centre: Share = 0.5
    """Quantile of the score around which rows are taken."""


@selector("band", summary="Rows whose scores are nearest to a quantile.", options=BandOptions, needs=("scores",))
def order(pool: PoolView, *, size: int, seen: Seen, options: BandOptions, rng: np.random.Generator) -> IntArray:
    """All rows by the distance of their quantile from the centre; ties by id."""
    assert seen.scores is not None
    groups = source_numbers(pool.sources, options.inside_sources)
    distance: NDArray[np.float64] = np.abs(quantiles(seen.scores, groups) - options.centre)
    return ranked(distance.round(DECIMALS), groups)
