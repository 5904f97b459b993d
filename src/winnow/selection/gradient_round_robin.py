"""Target rows take turns, each giving the pool row whose gradient points most nearly the same way.

LESS (Xia et al. 2024) averages the gradients of each target task and ranks a pool row by its largest similarity with
any task. Here each target row speaks for itself and they take turns, which needs no labels of tasks and keeps one of
them from taking all places. LESS also sums over checkpoints of a warm-up; here the gradients are of one checkpoint.
"""

import numpy as np

from winnow.selection.registry import NoOptions, selector
from winnow.selection.round_robin import round_robin, round_robin_flops
from winnow.selection.views import IntArray, PoolView, Seen


@selector(
    "gradient_round_robin",
    summary="Target rows take turns, each giving the row of most similar gradient.",
    needs=("vectors",),
    target="required",
    representation="gradients",
    flops=round_robin_flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows, in the order of the turns; ties by id."""
    assert seen.vectors is not None and seen.target is not None and seen.target.vectors is not None
    return round_robin(seen.vectors, seen.target.vectors, size)
