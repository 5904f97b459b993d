"""Which of many cells may be the best: the set that holds the best one with a stated confidence.

A cell leaves the set where some other cell is shown to be better. All cells are compared with each other, so that it
does not matter which of them happens to look best: if a cell is truly the best, the chance that any other one seems
better by so much is at most 1 - confidence (selection of the best: Gupta 1965; comparisons with the best: Hsu 1984;
the critical value for many differences from one cell: Dunnett 1955).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

Floats = NDArray[np.float64]
NODES = 96
"""Of each of the two integrals behind a critical value."""


def may_be_best(gains: Floats, confidence: float = 0.95) -> NDArray[np.bool_] | None:
    """Of gains [seeds, cells], higher is better: the cells that none is shown to beat; None with fewer than two seeds.

    A difference of two cells' means has the variance 2s²/n, with s² the variance that is left when cells and seeds are
    taken out, (cells - 1)(seeds - 1) degrees of freedom; or that of these two cells' own paired differences where it is
    larger, since cells near divergence vary more than others.
    """
    seeds, cells = gains.shape
    if seeds < 2:
        return None
    if cells == 1:
        return np.array([True])
    means = gains.mean(axis=0)
    differences = means[:, None] - means[None, :]
    centred = gains - means
    residuals = centred - centred.mean(axis=1, keepdims=True)
    freedom = (cells - 1) * (seeds - 1)
    pooled = 2 * float((residuals**2).sum()) / freedom
    covariance = centred.T @ centred / (seeds - 1)
    own = covariance.diagonal()[:, None] + covariance.diagonal()[None, :] - 2 * covariance
    bound = dunnett_quantile(confidence, cells - 1, freedom) * np.sqrt(np.maximum(own, pooled) / seeds)
    beaten: NDArray[np.bool_] = (differences > bound + 1e-12).any(axis=0)
    return ~beaten


@lru_cache
def dunnett_quantile(probability: float, num: int, degrees: float) -> float:
    """Below which the largest of `num` standardised differences from one mean lies, all cells being equal (one-sided).

    P(d) = E[ integral of Phi(z + sqrt(2) d S)^num phi(z) dz ], S² = chi²/degrees (Dunnett 1955, equation 2).
    """
    z, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    u, shares = np.polynomial.legendre.leggauss(NODES)
    deviations = np.sqrt(2 * gammaincinv(degrees / 2, (u + 1) / 2) / degrees)

    def chance(bound: float) -> float:
        below = ndtr(z[:, None] + np.sqrt(2) * bound * deviations[None, :]) ** num
        return float(weights @ below @ shares) / 2

    from scipy.optimize import brentq  # a third of a second, for grids alone

    return float(brentq(lambda bound: chance(bound) - probability, 0.0, 1e5))
