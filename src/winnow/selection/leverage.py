"""Ridge leverage scores: how far each row's features are not a mixture of the other rows' (Alaoui and Mahoney 2015).

score = z . (lambda I + Z' Z)^-1 z, highest first: rows in directions that few others take. The scores sum to the
effective dimension, the sum of e / (e + lambda) over the eigenvalues e of Z' Z. It works on kernel features, so that
directions are regions of the pool and not the few coordinates of the vectors.

The order is that of the scores; drawing in proportion to them, with weights that undo the draw, is a way to
approximate a kernel matrix, and as a selection would need those weights.
"""

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Positive
from winnow.selection.features import float64_blocks
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

BLOCK = 4_096
DECIMALS = 9
"""Of a score times the number of rows, 1 on average at full rank."""


class LeverageOptions(Frozen):
    """Options of `leverage`."""

    ridge: Positive = 1e-3
    """lambda over the sum of all |z|^2: directions that hold a smaller share of it hardly count."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: LeverageOptions) -> float:
    """Two passes, a multiplication and an addition for each pair of features; the second meets a triangle."""
    return 3.0 * pool_examples * width**2


@selector(
    "leverage",
    summary="Rows in directions that few others take, by ridge leverage score.",
    options=LeverageOptions,
    needs=("features",),
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: LeverageOptions, rng: np.random.Generator) -> IntArray:
    """All rows by descending score."""
    assert seen.features is not None
    scores = leverage_scores(seen.features, ridge=options.ridge)
    return np.argsort(-np.round(len(pool) * scores, DECIMALS), kind="stable")


def leverage_scores(rows: FloatArray, *, ridge: float) -> NDArray[np.float64]:
    """Ridge leverage score of each row, in [0, 1), [rows]; lambda is `ridge` times the sum of squares.

    Two passes in blocks, float64: Z' Z, and a triangular system for each block.
    """
    import torch

    gram = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
    for _, block in float64_blocks(rows, BLOCK):
        gram.addmm_(torch.from_numpy(block).T, torch.from_numpy(block))
    gram.diagonal().add_(ridge * (float(gram.trace()) or 1.0))
    factor = torch.linalg.cholesky(gram)
    scores = np.empty(len(rows))
    for start, block in float64_blocks(rows, BLOCK):
        solved = torch.linalg.solve_triangular(factor, torch.from_numpy(block).T, upper=False)
        scores[start : start + len(block)] = (solved**2).sum(dim=0).numpy()
    return scores
