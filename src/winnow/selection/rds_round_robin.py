"""RDS+ (Ivison et al. 2025): target rows take turns, each giving the pool row with the most similar hidden state.

With the default representation the states are centred and whitened, so a cosine compares directions that tell rows
apart; uncentred states of a language model share one large direction.
"""

import numpy as np

from winnow.selection.registry import NoOptions, selector
from winnow.selection.round_robin import round_robin, round_robin_flops
from winnow.selection.views import IntArray, PoolView, Seen


@selector(
    "rds_round_robin",
    summary="Target rows take turns, each giving its most similar row (RDS+).",
    needs=("vectors",),
    target="required",
    flops=round_robin_flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: NoOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows, in the order of the turns; ties by id."""
    assert seen.vectors is not None and seen.target is not None and seen.target.vectors is not None
    return round_robin(seen.vectors, seen.target.vectors, size)
