"""Semantic deduplication, SemDeDup (Abbas, Tirumala, Simig, Ganguli, Morcos 2023), as an order: the rows least like
others of their cluster first.

Vectors are scaled to length 1 and clustered. Inside a cluster, rows stand by falling distance to the centre, and a
row's score is its highest cosine similarity to a row before it, -1 for the first. The paper removes what scores above
1 - epsilon; here rows come by ascending score, so every such threshold is a prefix, and a fraction chooses the
threshold. Of copies the lowest id has the low score and the others come last. It works on the vectors: cosines are
what the method is defined on. Time grows with the square of the largest cluster, which a pool of copies makes large.
"""

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Seed, Size
from winnow.selection.clusters import KMeans, default_clusters, kmeans, kmeans_flops
from winnow.selection.features import unit_rows
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

BLOCK = 2_048
DECIMALS = 9


class SemanticDeduplicationOptions(Frozen):
    """Options of `semantic_deduplication`."""

    clusters: Size | None = None
    """Number of clusters; null for the square root of the pool's size. Copies in two clusters are not seen."""
    seed: Seed = 0
    """Of the centres' start."""


def flops(
    *, pool_examples: int, width: int, size: int, target_examples: int, options: SemanticDeduplicationOptions
) -> float:
    """Those of k-means and of each pair of a cluster, once, with clusters of one size."""
    clusters = options.clusters or default_clusters(pool_examples)
    return kmeans_flops(pool_examples, width, clusters) + width * pool_examples**2 / clusters


@selector(
    "semantic_deduplication",
    summary="Rows least like others of their cluster first; copies last.",
    options=SemanticDeduplicationOptions,
    needs=("vectors",),
    flops=flops,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: SemanticDeduplicationOptions, rng: np.random.Generator
) -> IntArray:
    """All rows by ascending score."""
    assert seen.vectors is not None
    rows = unit_rows(seen.vectors).astype(np.float32)
    found = kmeans(rows, options.clusters or default_clusters(len(pool)), options.seed)
    return np.argsort(copy_scores(rows, found), kind="stable")


def copy_scores(rows: FloatArray, found: KMeans) -> NDArray[np.float64]:
    """Highest cosine similarity of each row to one that stands before it in its cluster, [rows]; -1 where none does.

    `rows` have length 1. Rows equally far from the centre stand in their own order.
    """
    labels, distances = found.assign_with_distances(rows)
    by_cluster = np.lexsort((-distances, labels))
    ends = np.cumsum(np.bincount(labels, minlength=len(found.centres)))
    scores = np.empty(len(rows))
    for members in np.split(by_cluster, ends[:-1]):
        scores[members] = _highest_before(rows[members])
    return scores


def _highest_before(rows: FloatArray) -> NDArray[np.float64]:
    """For each row its highest cosine with an earlier one, -1 for the first; a block of pairs at a time."""
    import torch

    points = torch.nn.functional.normalize(torch.from_numpy(rows.astype(np.float64)))
    highest = torch.full((len(rows),), -1.0, dtype=torch.float64)
    for start in range(0, len(rows), BLOCK):
        block = points[start : start + BLOCK]
        own = (block @ block.T).masked_fill_(torch.ones(len(block), len(block)).triu_().bool(), -1)
        best = own.amax(dim=1)
        for before in range(0, start, BLOCK):
            best = torch.maximum(best, (block @ points[before : before + BLOCK].T).amax(dim=1))
        highest[start : start + len(block)] = best
    return np.round(highest.numpy(), DECIMALS)
