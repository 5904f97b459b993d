"""Clusters take turns: k-means over the vectors, then one row of every cluster, a second of every cluster, and so on.

Large clusters go first, so that a selection smaller than the number of clusters holds the commonest kinds. Inside a
cluster the row nearest its centre comes first: the default is deterministic, prototypes before the edges where
outliers sit. `inside: shuffled` takes a cluster's rows in an order that their ids decide, so small selections show
its whole spread.
"""

from typing import Literal

import numpy as np

from winnow.recipe import Frozen, Seed, Size
from winnow.selection.clusters import default_clusters, kmeans, kmeans_flops
from winnow.selection.draws import occurrences
from winnow.selection.herding import shuffle_by_id
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen


class ClusterRoundRobinOptions(Frozen):
    """Options of `cluster_round_robin`."""

    clusters: Size | None = None
    """Number of clusters; null for the square root of the pool's size."""
    inside: Literal["nearest", "shuffled"] = "nearest"
    """Order inside a cluster: nearest to its centre first, or shuffled by id."""
    seed: Seed = 0
    """Of the centres' start."""


def flops(
    *, pool_examples: int, width: int, size: int, target_examples: int, options: ClusterRoundRobinOptions
) -> float:
    """Those of k-means."""
    return kmeans_flops(pool_examples, width, options.clusters or default_clusters(pool_examples))


@selector(
    "cluster_round_robin",
    summary="Clusters take turns, each giving its most typical rows first.",
    options=ClusterRoundRobinOptions,
    needs=("vectors",),
    flops=flops,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: ClusterRoundRobinOptions, rng: np.random.Generator
) -> IntArray:
    """All rows: the first of each cluster, then the second of each, and so on."""
    assert seen.vectors is not None
    found = kmeans(seen.vectors, options.clusters or default_clusters(len(pool)), options.seed)
    labels, distances = found.assign_with_distances(seen.vectors)
    within = np.argsort(distances, kind="stable") if options.inside == "nearest" else shuffle_by_id(pool.ids)
    sizes = np.bincount(labels, minlength=len(found.centres))
    ordered = labels[within]
    return within[np.lexsort((ordered, -sizes[ordered], occurrences(ordered)))]
