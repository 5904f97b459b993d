"""Random rows whose lengths are distributed as the reference's.

Scores that rank by length without being meant to (sums of losses or gradients rank long rows high, means short ones)
do no better than this control.
"""

import numpy as np

from winnow.recipe import Frozen, Size
from winnow.selection.draws import draw_counts
from winnow.selection.registry import control
from winnow.selection.views import IntArray, PoolView


class LengthMatchedOptions(Frozen):
    """Options of `length_matched`."""

    bins: Size = 50
    """Bins of token length, cut at quantiles of the reference."""


@control("length_matched", summary="Random rows with another arm's token lengths.", options=LengthMatchedOptions)
def draw(
    reference: IntArray, pool: PoolView, *, size: int, options: LengthMatchedOptions, rng: np.random.Generator
) -> IntArray:
    """As many random rows of each bin of length as the reference has; rows beyond its extremes are never drawn."""
    lengths = pool.tokens[reference]
    cuts = np.linspace(0, 1, options.bins + 1)
    edges = np.unique(np.quantile(lengths, cuts, method="inverted_cdf"))
    outside = len(edges)
    bins = np.where(pool.tokens < edges[0], outside, np.searchsorted(edges, pool.tokens))
    return draw_counts(bins, np.bincount(bins[reference], minlength=outside + 1), rng)
