"""Weighted sampling without replacement as an order: sort by log-weight plus Gumbel noise.

The first row is drawn in proportion to the weights, the next among the others in proportion, and so on; a smaller
draw is a prefix of a larger one (Efraimidis and Spirakis 2006; Vieira 2014).
"""

import numpy as np
from numpy.typing import NDArray

from winnow.selection.views import IntArray


def gumbel_order(log_weights: NDArray[np.float64], rng: np.random.Generator) -> IntArray:
    """All rows in the order in which they are drawn; log-weights need not be normalised."""
    return np.argsort(-(log_weights + rng.gumbel(size=len(log_weights))), kind="stable")
