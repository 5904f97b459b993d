"""Farthest-first traversal: each choice is the row farthest from all chosen ones (Gonzalez 1985).

Every prefix covers the pool with balls at most twice as wide as the best centres of that number could. The first row
is the one nearest the pool's mean. Outliers come first: on a noisy pool, junk first. It works on the vectors
themselves: in kernel features all far rows are equally far.

Distances to the chosen rows only fall, so the greedy is lazy; a row pays only for the choices since it was last
measured.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from winnow.selection.features import mean_row
from winnow.selection.lazy import lazy_greedy
from winnow.selection.registry import NoOptions, selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

if TYPE_CHECKING:
    import torch

BATCH = 64
BLOCK = 4_096
DECIMALS = 9
"""Of a squared distance over the mean square of the rows."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: NoOptions) -> float:
    """The plain greedy's: a multiplication and an addition for every dimension of every row at each choice."""
    return 2.0 * width * pool_examples * size


@selector(
    "k_centre",
    summary="Each row the farthest from those before it; outliers first.",
    needs=("vectors",),
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows, in the order in which the greedy takes them."""
    assert seen.vectors is not None
    return farthest_first(seen.vectors, size)


def farthest_first(vectors: FloatArray, size: int) -> IntArray:
    """The traversal's first `size` rows, from the row nearest the mean on. Ties go to the lower row."""
    distances = _Distances(vectors, size)
    first = int(distances.to_mean().argmin())
    distances.take(first)
    bounds = distances.score(np.arange(len(vectors)))
    bounds[first] = -np.inf
    rest = lazy_greedy(bounds, size - 1, score=distances.score, take=distances.take, batch=BATCH)
    return np.concatenate([[first], rest])


class _Distances:
    """Squared distances to the nearest chosen row, brought up to date where they are asked for."""

    def __init__(self, vectors: FloatArray, size: int) -> None:
        import torch

        self.points = torch.from_numpy(vectors - mean_row(vectors))
        self.norms = self.points.square().sum(dim=1)
        self.scale = float(self.norms.mean()) or 1.0
        self.nearest = torch.full_like(self.norms, torch.inf)
        self.counted = np.zeros(len(vectors), dtype=np.int64)
        """How many chosen rows each distance has been compared with."""
        self.chosen = np.empty(size, dtype=np.int64)
        self.taken = 0

    def to_mean(self) -> NDArray[np.float64]:
        """Squared distance of each row to the mean, over the mean square."""
        return self._rounded(self.norms)

    def score(self, rows: IntArray) -> NDArray[np.float64]:
        """Squared distance of these rows to the nearest chosen row, over the mean square."""
        import torch

        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            since = self.chosen[min(int(self.counted[part].min()), self.taken - 1) : self.taken]
            products = self.points[part] @ self.points[since].T
            gaps = self.norms[part, None] + self.norms[since] - 2 * products
            self.nearest[part] = torch.minimum(self.nearest[part], gaps.amin(dim=1))
            self.counted[part] = self.taken
        return self._rounded(self.nearest[rows])

    def take(self, row: int) -> None:
        """Add a chosen row."""
        self.chosen[self.taken] = row
        self.taken += 1

    def _rounded(self, squares: "torch.Tensor") -> NDArray[np.float64]:
        return np.round((squares / self.scale).numpy(), DECIMALS)
