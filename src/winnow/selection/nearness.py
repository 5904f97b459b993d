"""How close selections come to a target sample, in kernel features that no selector optimised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from winnow.selection.features import BLOCK, FRESH_FEATURES, FRESH_SEED, UNIT_ERROR, fit_fourier_features
from winnow.selection.views import FloatArray, IntArray


def target_mmd_ratios(points: FloatArray, target: FloatArray, subsets: Sequence[IntArray]) -> list[float | None]:
    """Squared MMD of each subset of `points` [pool, dimensions] to `target` [target, dimensions], over random's.

    With mu the pool's mean feature and nu the target's, k random rows of N have in expectation
    |mu - nu|^2 + (1 - |mu|^2) (N - k) / (k (N - 1)). Null where that is nothing: all points are equal.
    """
    fourier = fit_fourier_features(points, features=FRESH_FEATURES, seed=FRESH_SEED)
    weights = np.zeros((len(subsets) + 1, len(points)))
    weights[0] = 1 / len(points)
    for place, rows in enumerate(subsets, start=1):
        weights[place, rows] = 1 / len(rows)
    means: NDArray[np.float64] = np.zeros((len(weights), FRESH_FEATURES))
    for start in range(0, len(points), BLOCK):
        end = start + BLOCK
        means += weights[:, start:end] @ fourier.apply(points[start:end]).astype(np.float64)
    aim = fourier.apply(target).mean(axis=0, dtype=np.float64)
    gaps = ((means - aim) ** 2).sum(axis=1)
    spread = 1 - float(means[0] @ means[0])
    if spread < UNIT_ERROR:
        return [None] * len(subsets)
    sampled = [spread * (len(points) - len(rows)) / (len(rows) * max(1, len(points) - 1)) for rows in subsets]
    return [float(gap / (gaps[0] + each)) for gap, each in zip(gaps[1:], sampled, strict=True)]
