"""Facility location: each choice raises the sum, over the pool, of the similarity to the nearest chosen row the most.

f(S) = sum over i of max over s in S of k(i, s), 0 for the empty set. It is submodular, so the greedy reaches at
least 1 - 1/e of the best (Nemhauser, Wolsey, Fisher 1978) and can be lazy. The similarity is the Gaussian kernel of
the vectors, with the median bandwidth: random features only estimate it, with more numbers for each pair, and a
maximum over many estimates picks the errors.

Similarities are computed when they are needed, a few rows at a time, so memory is linear in the pool. Rows to be
represented are the whole pool, or a sample of it by id where it is larger than `ground`: the sample does not depend
on how many rows are chosen, so selections are nested.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Positive, Size
from winnow.selection.features import mean_row, median_bandwidth
from winnow.selection.herding import shuffle_by_id
from winnow.selection.lazy import lazy_greedy
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

if TYPE_CHECKING:
    import torch

BATCH = 16
TILE_SITES, TILE_GROUND = 64, 4_096
"""Similarities computed at once: they stay in the cache."""
CONFIRMED = 4
"""Gains computed again at once."""
FLOAT32_ERROR = 1e-6
"""Bound on the error of a float32 squared distance, over the squared lengths of its two points."""
DECIMALS = 9
BANDWIDTH_SEED = 0


class FacilityLocationOptions(Frozen):
    """Options of `facility_location`."""

    ground: Size = 65_536
    """Pool rows that the chosen ones are to represent, at most: all, or a sample. Time grows with it."""
    bandwidth_scale: Positive = 1.0
    """Bandwidth of the kernel over the median distance / sqrt(2)."""


def flops(
    *, pool_examples: int, width: int, size: int, target_examples: int, options: FacilityLocationOptions
) -> float:
    """A multiplication and an addition for every dimension of every pair in the first pass, then one batch a choice.

    How much more the lazy greedy computes is not known before it runs.
    """
    ground = min(options.ground, pool_examples)
    return 2.0 * width * ground * (pool_examples + BATCH * size)


@selector(
    "facility_location",
    summary="Rows such that every row of the pool has a similar one among them.",
    options=FacilityLocationOptions,
    needs=("vectors",),
    flops=flops,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: FacilityLocationOptions, rng: np.random.Generator
) -> IntArray:
    """`size` rows, in the order in which the greedy takes them."""
    assert seen.vectors is not None
    bandwidth = median_bandwidth(seen.vectors, np.random.default_rng(BANDWIDTH_SEED))
    ground = np.sort(shuffle_by_id(pool.ids)[: options.ground])
    coverage = _Coverage(seen.vectors, ground, options.bandwidth_scale * bandwidth)
    return lazy_greedy(coverage.bounds, size, score=coverage.score, take=coverage.take, batch=BATCH)


def facility_location(kernel: NDArray[np.floating], size: int) -> IntArray:
    """The greedy's `size` rows on a given kernel, [candidates, ground]; similarities below 0 count as 0.

    Ties, after rounding to nine decimals of the largest gain, go to the lower row.
    """
    covered = np.zeros(kernel.shape[1], dtype=kernel.dtype)
    bounds = np.maximum(kernel, 0).sum(axis=1, dtype=np.float64)
    scale = float(bounds.max()) or 1.0

    def score(rows: IntArray) -> NDArray[np.float64]:
        gains = kernel[rows]
        gains -= covered
        return np.round(np.maximum(gains, 0, out=gains).sum(axis=1, dtype=np.float64) / scale, DECIMALS)

    def take(row: int) -> None:
        np.maximum(covered, kernel[row], out=covered)

    return lazy_greedy(np.round(bounds / scale, DECIMALS), size, score=score, take=take, batch=BATCH)


class _Coverage:
    """The similarity of every ground row to its nearest chosen row, and what each candidate would add to the sum.

    Gains are computed in float32; those that could be the highest of the rows asked for again in float64.
    """

    def __init__(self, vectors: FloatArray, ground: IntArray, bandwidth: float) -> None:
        import torch

        points = torch.from_numpy((vectors - mean_row(vectors)) / (2**0.5 * bandwidth))
        norms = points.square().sum(dim=1, keepdim=True)
        self.sites = torch.cat([2 * points, -norms, torch.ones_like(norms)], dim=1)
        self.ground = torch.cat([points, torch.ones_like(norms), -norms], dim=1)[ground]
        """Rows whose product with a row of `sites` is -|x - y|^2."""
        self.sites32, self.ground32 = self.sites.float(), self.ground.float()
        self.covered = torch.zeros(len(ground), dtype=torch.float64)
        self.covered32 = self.covered.float()
        self.errors = FLOAT32_ERROR * (norms[:, 0] + norms[ground].max() + 1)
        """Bound on the relative error of a row's float32 similarities."""
        self.bounds = self._bounds()

    def _bounds(self) -> NDArray[np.float64]:
        """Upper bounds of what each row adds to nothing."""
        gains = _gains(self.sites32, self.ground32, self.covered32)
        self.errors = gains * self.errors.expm1()
        return np.round((gains + self.errors).numpy(), DECIMALS)

    def score(self, rows: IntArray) -> NDArray[np.float64]:
        """What each of these rows would add: exact for the best of them, else at least that."""
        bounds = (_gains(self.sites32[rows], self.ground32, self.covered32) + self.errors[rows]).numpy()
        lowest = -np.inf
        left = np.argsort(-bounds, kind="stable")
        while len(left) and bounds[left[0]] >= lowest:
            part, left = left[:CONFIRMED], left[CONFIRMED:]
            exact = np.round(_gains(self.sites[rows[part]], self.ground, self.covered).numpy(), DECIMALS)
            bounds[part] = exact
            lowest = max(lowest, float(exact.max()))
        return bounds

    def take(self, row: int) -> None:
        """Count a row as chosen."""
        import torch

        similar = (self.ground @ self.sites[row]).exp_()
        self.covered = torch.maximum(self.covered, similar)
        self.covered32 = self.covered.float()


def _gains(sites: "torch.Tensor", ground: "torch.Tensor", covered: "torch.Tensor") -> "torch.Tensor":
    """Sum over the ground of what each site's similarity has above `covered`, [sites], float64; a tile at a time."""
    import torch

    gains = torch.zeros(len(sites), dtype=torch.float64)
    for start in range(0, len(sites), TILE_SITES):
        part = sites[start : start + TILE_SITES]
        for edge in range(0, len(ground), TILE_GROUND):
            similar = (part @ ground[edge : edge + TILE_GROUND].T).exp_()
            added = similar.sub_(covered[edge : edge + TILE_GROUND]).relu_()
            gains[start : start + TILE_SITES] += added.sum(dim=1)
    return gains
