"""Singular values of matrices and of what training changed in them, and how many of them matter.

    values = singular_values(tuned - base)                 # descending, float64
    values = adapter_singular_values(B, A, scale=2.0)      # of scale B A, which is never formed
    rank_at(values, 0.9)                                   # how many hold nine tenths of the squares

All in float64, on the CPU. Values come from the eigenvalues of the smaller Gram matrix, several times faster than from
a singular value decomposition, and right to 1e-7 of the largest.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import blas
from torch import Tensor

Matrix = NDArray[np.float64]
TINY = 1e-7
"""Of the largest value: what is less is nothing but rounding, and has no vector."""


def singular_values(matrix: Tensor) -> Tensor:
    """[least side]: descending, float64."""
    return torch.from_numpy(_values(_gram(_exact(matrix))))


def _exact(matrix: Tensor) -> Matrix:
    return np.ascontiguousarray(matrix.detach().cpu().double().numpy())


def _gram(matrix: Matrix) -> Matrix:
    """The lower triangle of the smaller of the two, [least side, least side]."""
    found: Matrix = blas.dsyrk(1.0, matrix.T, trans=int(_is_wide(matrix)), lower=1)  # the transpose is in BLAS's order
    return found


def _is_wide(matrix: Matrix) -> bool:
    return matrix.shape[0] <= matrix.shape[1]


def _values(gram: Matrix) -> Matrix:
    squares = np.asarray(linalg.eigvalsh(gram, lower=True), dtype=np.float64)[::-1]
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def adapter_singular_values(b: Tensor, a: Tensor, *, scale: float) -> Tensor:
    """[at most the rank]: those of scale b a, for b [out, r] and a [r, in]; descending, float64.

    Both factors are brought to triangles: the values are those of the small matrix between two orthogonal ones.
    """
    left: Tensor = torch.linalg.qr(b.double(), mode="r").R
    right: Tensor = torch.linalg.qr(a.double().T, mode="r").R
    values: Tensor = torch.linalg.svdvals(left @ right.T)
    return abs(scale) * values


def rank_at(values: Tensor, share: float) -> int:
    """The smallest number of values whose squares are at least this share of all squares; 0 of a zero matrix."""
    squares = values.double().square()
    if not squares.sum() > 0:
        return 0
    held = squares.cumsum(0) / squares.sum()
    return int((held < share - 1e-12).sum()) + 1


def stable_rank(values: Tensor) -> float:
    """The sum of the squares over the largest square; 0 of a zero matrix."""
    return float(values.square().sum() / values[0].square()) if len(values) and values[0] > 0 else 0.0


@lru_cache(maxsize=4096)
def random_rank(rows: int, columns: int, share: float) -> int:
    """`rank_at` of a large random matrix of this shape with independent entries (Marchenko and Pastur 1967).

    The squares of the values, over columns x variance, follow sqrt((b - x)(x - a)) / (2 pi c x) between a and b =
    (1 -+ sqrt c)^2, c being the least over the largest side: the share of the squares above a point is an integral of
    their density without its x, which the substitution x = 1 + c + 2 sqrt(c) cos t makes smooth.
    """
    least = min(rows, columns)
    c = least / max(rows, columns)
    angles = (torch.arange(20_000, dtype=torch.float64) + 0.5) * math.pi / 20_000
    points = 1 + c + 2 * math.sqrt(c) * angles.cos()  # descending
    held = angles.sin().square()
    held = held.cumsum(0) / held.sum()
    counted = angles.sin().square() / points
    counted = counted.cumsum(0) / counted.sum()
    at = int((held < share).sum())
    return max(1, round(least * float(counted[min(at, len(counted) - 1)])))


class Compared:
    """A matrix before and after training: the values of both, and which vectors of one the other has."""

    def __init__(self, base: Tensor, tuned: Tensor) -> None:
        """Of [out, in] each."""
        self._base, self._tuned = _exact(base), _exact(tuned)
        self._tuned_gram = _gram(self._tuned)
        squares, vectors = np.linalg.eigh(_gram(self._base))
        values, self._vectors = np.sqrt(squares[::-1].clip(0)), vectors[:, ::-1]
        self.base_values, self.tuned_values = torch.from_numpy(values), torch.from_numpy(_values(self._tuned_gram))

    def intruders(self, *, first: int, below: float) -> int:
        """How many of the tuned matrix's first left singular vectors no left singular vector of the base is like.

        Alike: an absolute cosine of at least `below` (Shuttleworth et al. 2024, section 3).
        """
        last = len(self._tuned_gram)
        kept: dict[str, Any] = {"subset_by_index": [max(0, last - first), last - 1]}
        squares, vectors = linalg.eigh(self._tuned_gram, lower=True, **kept)
        is_there = squares > TINY**2 * squares[-1]
        found = vectors[:, is_there] if _is_wide(self._tuned) else _unit(self._tuned @ vectors[:, is_there])
        return int((np.abs(self._cosines(found)).max(axis=1, initial=0.0) < below).sum())

    def _cosines(self, vectors: Matrix) -> Matrix:
        """[vectors, least side]: of [out, vectors] with the base's left singular vectors, which are not all formed."""
        if _is_wide(self._base):
            return np.asarray(vectors.T @ self._vectors)
        values = self.base_values.numpy()
        is_there = values > TINY * values[:1]
        return np.asarray((vectors.T @ self._base @ self._vectors)[:, is_there] / values[is_there])


def _unit(vectors: Matrix) -> Matrix:
    return vectors / np.linalg.norm(vectors, axis=0)


def rounding_noise(matrix: Tensor) -> float:
    """The Frobenius norm that rounding a matrix to its own type leaves in the mean, over the matrix's own norm.

    A weight is rounded to the nearest of numbers that stand a unit in the last place apart: evenly by up to half of it
    to either side, a variance of a twelfth of its square. A difference that is not far above this is noise, whose rank
    is that of a random matrix.
    """
    single = matrix.detach().cpu().float().numpy()
    norm = float(np.linalg.norm(single.astype(np.float64)))
    if not norm > 0:
        return 0.0
    coarser = torch.finfo(matrix.dtype).eps / torch.finfo(torch.float32).eps
    units = np.spacing(np.abs(single)).ravel()
    return coarser * float(np.sqrt(np.dot(units * 2.0**30, units * 2.0**30))) / 2.0**30 / math.sqrt(12) / norm
