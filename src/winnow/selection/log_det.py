"""Greedy log-determinant: each choice widens the volume that the chosen rows' features span the most.

The next row is the one with the largest z . (lambda I + sum over the chosen of z z')^-1 z, which is the greedy
maximum of det(lambda I + K) over the kernel matrix K of the chosen rows: the mode of a determinantal point process,
greedily (Chen, Zhang, Zhou 2018). Near-copies of a chosen row come last, outliers first: on a noisy pool, junk first.
It works on kernel features: in the few dimensions of the vectors, the volume would be full after as many choices.

Scores only fall, so the greedy is lazy; a row that was scored earlier pays only for the choices since.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Positive
from winnow.selection.features import squared_norms
from winnow.selection.lazy import lazy_greedy
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

if TYPE_CHECKING:
    import torch

BATCH = 64
BLOCK = 4_096
DECIMALS = 12
"""Of a score over the largest |z|^2."""


class LogDetOptions(Frozen):
    """Options of `log_det`."""

    ridge: Positive = 0.01
    """lambda over the largest |z|^2: what differs less than this share from chosen rows counts as noise."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: LogDetOptions) -> float:
    """The plain greedy's: a multiplication and an addition for every feature of every row at each choice."""
    return 2.0 * width * pool_examples * size


@selector(
    "log_det",
    summary="Rows that span the largest volume, greedily; outliers first.",
    options=LogDetOptions,
    needs=("features",),
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: LogDetOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows, in the order in which the greedy takes them."""
    assert seen.features is not None
    return greedy_log_det(seen.features, size, ridge=options.ridge)


def greedy_log_det(rows: FloatArray, size: int, *, ridge: float) -> IntArray:
    """The greedy's `size` rows; lambda is `ridge` times the largest |z|^2. Ties go to the lower row."""
    norms = squared_norms(rows)
    largest = float(norms.max()) or 1.0
    volume = _Volume(rows, norms / largest, size, ridge=ridge, scale=largest**-0.5)
    bounds = np.round(norms / largest, DECIMALS)
    return lazy_greedy(bounds, size, score=volume.score, take=volume.take, batch=BATCH)


class _Volume:
    """The part of every row that the chosen rows leave unexplained: lambda z . (lambda I + sum z z')^-1 z.

    lambda (lambda I + sum z z')^-1 = I - sum w w' with one w per choice (Sherman and Morrison 1950), so each choice
    takes (z . w)^2 off every row's score. Rows count as `scale` times their features.
    """

    def __init__(self, rows: FloatArray, left: NDArray[np.float64], size: int, *, ridge: float, scale: float) -> None:
        import torch

        self.rows, self.left, self.ridge, self.scale = rows, left, ridge, scale
        self.directions = torch.empty(size, rows.shape[1], dtype=torch.float64)
        self.taken = 0
        self.counted = np.zeros(len(rows), dtype=np.int64)
        """How many choices each row's score has taken off."""

    def score(self, rows: IntArray) -> NDArray[np.float64]:
        """What is left of these rows, brought up to date."""
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            counted = self.counted[part]
            since = int(counted.min())
            shares = (self._scaled(part) @ self.directions[since : self.taken].T).square_().numpy()
            shares[np.arange(since, self.taken) < counted[:, None]] = 0
            self.left[part] -= shares.sum(axis=1)
            self.counted[part] = self.taken
        return np.round(self.left[rows], DECIMALS)

    def take(self, row: int) -> None:
        """Add the direction of a chosen row, whose score is up to date."""
        point = self._scaled(np.array([row]))[0]
        known = self.directions[: self.taken]
        rest = point - known.T @ (known @ point)
        self.directions[self.taken] = rest / (self.ridge + max(float(self.left[row]), 0.0)) ** 0.5
        self.taken += 1

    def _scaled(self, rows: IntArray) -> "torch.Tensor":
        import torch

        return torch.from_numpy(self.rows[rows].astype(np.float64)).mul_(self.scale)
