"""Random rows at the target's shares over clusters of the pool: source shares where no label names the sources.

Clusters are k-means on the vectors, fitted to the pool by the selection's seed; target rows join the nearest.
"""

import numpy as np

from winnow.recipe import Frozen, Size
from winnow.selection.clusters import kmeans, kmeans_flops
from winnow.selection.registry import selector
from winnow.selection.shares import frequencies, random_at_shares
from winnow.selection.views import IntArray, PoolView, Seen


class ClusterSharesOptions(Frozen):
    """Options of `cluster_shares`."""

    clusters: Size = 100
    """Clusters of the pool: more of them follow the target closer and need a larger sample of it."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: ClusterSharesOptions) -> float:
    """Those of k-means, and of a distance from each target row to each centre."""
    assigned = 2.0 * width * target_examples * options.clusters
    return kmeans_flops(pool_examples, width, options.clusters) + assigned


@selector(
    "cluster_shares",
    summary="Random rows at the target's shares over clusters of the pool.",
    options=ClusterSharesOptions,
    needs=("vectors",),
    target="required",
    is_random=True,
    flops=flops,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: ClusterSharesOptions, rng: np.random.Generator
) -> IntArray:
    """All rows; clusters that hold no target row come last."""
    assert seen.vectors is not None and seen.target is not None and seen.target.vectors is not None
    found = kmeans(seen.vectors, options.clusters, int(rng.integers(2**32)))
    shares = frequencies(found.assign(seen.target.vectors), len(found.centres))
    return random_at_shares(found.assign(seen.vectors), shares, rng)
