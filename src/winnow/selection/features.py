"""Vectors that herding can use: whitening, random Fourier features, and how close a subset's mean comes to the pool's.

    points = fit_whitening(states, dimensions=32).apply(states)
    features = fit_fourier_features(points, features=1024, seed=0).apply(points)
    squared_mmd(features, chosen) / expected_squared_mmd_of_random(features, len(chosen))

Fitted maps are small records, so that a target sample goes through the pool's map. Matrix products run on torch, whose
number of threads the stage sets; sums over rows are float64. Nothing depends on the order of rows but the last bits
and the random points of the bandwidth: give rows sorted by id.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.errors import RecipeError
from winnow.selection.views import FloatArray, IntArray, check_finite

BLOCK = 16_384
"""Rows that are mapped at once: keeps the float64 copies small."""
CACHED_BLOCK = 256
"""Rows that are summed at once: their float64 copies stay in the cache."""
EIGENVALUE_FLOOR = 1e-3
CONSTANT = 1e-10
"""Variance over mean square below which rows are taken as equal: float32's rounding is all that is left."""
UNIT_ERROR = 1e-6
"""How far float32 may put |z|^2 from 1."""
MAX_BANDWIDTH_POINTS = 2_000
FRESH_SEED = 0x0F4E54
"""Of the features that judge a selection, which no selector ever optimised."""
FRESH_FEATURES = 1024


@dataclass(frozen=True, slots=True)
class Whitening:
    """Centre, then project on principal components scaled to variance 1."""

    mean: NDArray[np.float64]
    projection: NDArray[np.float64]
    """[input, dimensions]"""

    def apply(self, rows: FloatArray) -> FloatArray:
        """The whitened rows, [rows, dimensions], float32."""
        import torch

        projection = torch.from_numpy(self.projection)
        white = np.empty((len(rows), projection.shape[1]), dtype=np.float32)
        for start, block in float64_blocks(rows, BLOCK):
            white[start : start + BLOCK] = (torch.from_numpy(block - self.mean) @ projection).numpy()
        return white


@dataclass(frozen=True, slots=True)
class FourierFeatures:
    """The map z(x) = sqrt(2 / D) [cos(Wx), sin(Wx)] (Rahimi and Recht 2007): |z| = 1, z(x) . z(y) about k(x, y)."""

    frequencies: FloatArray
    """W, [input, D / 2]"""
    bandwidth: float
    """s of the Gaussian kernel exp(-|x - y|^2 / 2 s^2)."""

    def apply(self, points: FloatArray) -> FloatArray:
        """The features, [points, D], float32; beside them it needs the memory of one block."""
        import torch

        half = self.frequencies.shape[1]
        mapped = np.empty((len(points), 2 * half), dtype=np.float32)
        for start in range(0, len(points), BLOCK):
            phases = torch.from_numpy(points[start : start + BLOCK]) @ torch.from_numpy(self.frequencies)
            mapped[start : start + BLOCK, :half] = phases.cos().numpy()
            mapped[start : start + BLOCK, half:] = phases.sin().numpy()
        mapped *= np.float32(np.sqrt(1 / half))
        return mapped


def fit_whitening(rows: FloatArray, dimensions: int) -> Whitening:
    """Principal components of the rows, eigenvalues floored at 1e-3 of the largest, the sign of each fixed.

    Fewer dimensions than asked where the rows have fewer. Rows that are all equal become zeros. Raises DataError for
    NaN.
    """
    import torch

    check_finite(rows, "the hidden states")
    width = rows.shape[1]
    mean = rows.mean(axis=0, dtype=np.float64)
    covariance = torch.zeros(width, width, dtype=torch.float64)
    for _, block in float64_blocks(rows, BLOCK):
        centred = torch.from_numpy(block - mean)
        covariance += centred.T @ centred
    values, vectors = (part.numpy() for part in torch.linalg.eigh(covariance / len(rows)))
    kept = min(dimensions, width, max(1, len(rows) - 1))
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    if values[0] <= CONSTANT * float(mean @ mean):
        return Whitening(mean, np.zeros((width, 1)))
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    return Whitening(mean, vectors * signs / np.sqrt(np.maximum(values, EIGENVALUE_FLOOR * values[0])))


def fit_fourier_features(
    points: FloatArray, *, features: int, seed: int, bandwidth_scale: float = 1.0
) -> FourierFeatures:
    """A random map to `features` features, its bandwidth the median distance over sqrt(2), times `bandwidth_scale`.

    Raises RecipeError for an odd number of features, DataError for NaN.
    """
    if features % 2:
        raise RecipeError(f"representation.features is {features}; it must be even: cosines and sines come in pairs")
    check_finite(points, "the points")
    rng = np.random.default_rng(seed)
    bandwidth = bandwidth_scale * median_bandwidth(points, rng)
    frequencies = rng.standard_normal((points.shape[1], features // 2)) / bandwidth
    return FourierFeatures(frequencies.astype(np.float32), bandwidth)


def median_bandwidth(points: FloatArray, rng: np.random.Generator) -> float:
    """Median distance of up to 2,000 random points, over sqrt(2); half of it makes the kernel nearly diagonal.

    Copies are passed over where most points are copies; 1 where all points are equal.
    """
    import torch

    sample = rng.permutation(len(points))[:MAX_BANDWIDTH_POINTS]
    distances = torch.pdist(torch.from_numpy(points[sample].astype(np.float64))).numpy()
    apart = distances[distances > 0]
    if not len(apart):
        return 1.0
    median = float(np.median(distances)) or float(np.median(apart))
    return median / float(np.sqrt(2))


def squared_mmd(features: FloatArray, subset: IntArray) -> float:
    """Squared distance between the mean feature of the subset and of all rows."""
    gap = mean_row(features, subset) - mean_row(features)
    return float(gap @ gap)


def expected_squared_mmd_of_random(features: FloatArray, size: int) -> float:
    """The squared MMD of `size` random rows without replacement, in expectation."""
    mean = mean_row(features)
    mean_square = squared_norms(features).mean()
    return _expected_of_random(float(mean_square - mean @ mean), len(features), size)


def fresh_mmd_ratio(points: FloatArray, subset: IntArray) -> float | None:
    """Squared MMD of the subset over random's expectation, in features that nobody optimised: 1 is as good as random.

    Null where random has none: the subset is everything, or all points are equal.
    """
    fourier = fit_fourier_features(points, features=FRESH_FEATURES, seed=FRESH_SEED)
    is_inside = np.zeros(len(points), dtype=bool)
    is_inside[subset] = True
    total, inside = np.zeros(FRESH_FEATURES), np.zeros(FRESH_FEATURES)
    for start in range(0, len(points), BLOCK):
        mapped = fourier.apply(points[start : start + BLOCK])
        total += mapped.sum(axis=0, dtype=np.float64)
        inside += mapped[is_inside[start : start + BLOCK]].sum(axis=0, dtype=np.float64)
    mean = total / len(points)
    gap = inside / len(subset) - mean
    spread = 1 - float(mean @ mean)
    if len(subset) == len(points) or spread < UNIT_ERROR:
        return None
    return float(gap @ gap) / _expected_of_random(spread, len(points), len(subset))


def _expected_of_random(spread: float, pool_size: int, size: int) -> float:
    return spread * (pool_size - size) / (size * (pool_size - 1)) if pool_size > 1 else 0.0


def mean_row(rows: FloatArray, subset: IntArray | None = None) -> NDArray[np.float64]:
    """The mean of all rows, or of a subset, summed in float64: [width]."""
    total = np.zeros(rows.shape[1])
    for _, block in float64_blocks(rows, CACHED_BLOCK, subset):
        total += block.sum(axis=0)
    return total / (len(rows) if subset is None else len(subset))


def squared_norms(rows: FloatArray) -> NDArray[np.float64]:
    """|row|^2 of every row, summed in float64: [rows]."""
    norms = np.empty(len(rows))
    for start, block in float64_blocks(rows, CACHED_BLOCK):
        norms[start : start + len(block)] = np.vecdot(block, block)
    return norms


def unit_rows(rows: FloatArray) -> NDArray[np.float64]:
    """Rows scaled to length 1, float64; rows of zeros stay."""
    exact = rows.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(lengths > 0, lengths, 1.0)


def float64_blocks(
    rows: FloatArray, size: int, subset: IntArray | None = None
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Where each block of `size` rows starts, and a float64 copy of it; of the subset's rows where there is one."""
    for start in range(0, len(rows if subset is None else subset), size):
        part = slice(start, start + size) if subset is None else subset[start : start + size]
        yield start, rows[part].astype(np.float64)
