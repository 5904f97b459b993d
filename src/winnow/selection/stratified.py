"""Random rows at the pool's shares over strata of source and score: random, with less chance in what it holds."""

import numpy as np

from winnow.recipe import Frozen, Size
from winnow.selection.ranks import quantiles, source_numbers
from winnow.selection.registry import selector
from winnow.selection.shares import frequencies, random_at_shares
from winnow.selection.views import IntArray, PoolView, Seen


class StratifiedOptions(Frozen):
    """Options of `stratified`."""

    bins: Size = 10
    """Strata of each source, cut at quantiles of the score inside it; rows of equal score share one."""


@selector(
    "stratified",
    summary="Random rows at the pool's shares by source and score.",
    options=StratifiedOptions,
    needs=("scores",),
    is_random=True,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: StratifiedOptions, rng: np.random.Generator) -> IntArray:
    """All rows: strata take turns by their share of the pool, each giving its rows in random order."""
    assert seen.scores is not None
    source = source_numbers(pool.sources)
    bins = (quantiles(seen.scores, source) * options.bins).astype(np.int64)
    _, stratum = np.unique(source * options.bins + bins, return_inverse=True)
    return random_at_shares(stratum, frequencies(stratum, int(stratum.max()) + 1), rng)
