"""Seeded k-means: Lloyd's algorithm (1982) from a k-means++ start (Arthur and Vassilvitskii 2007).

Centres are fitted to a seeded sample of the rows and then own every row. Everything is float64, in blocks; distances
are rounded before they are compared, and a tie goes to the lower cluster.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.selection.views import FloatArray, IntArray, check_finite

BLOCK = 8_192
ITERATIONS = 20
SAMPLE = 32_768
"""Rows that centres are fitted to, at most."""
SAME = 1e-12
"""Squared distance over the mean square below which two points are one: the rounding of a difference of squares."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KMeans:
    """Fitted centres."""

    centres: Doubles
    """[clusters, dimensions]"""

    def assign(self, rows: FloatArray) -> IntArray:
        """The nearest centre of each row, [rows]; the lower one where two are equally near."""
        return self.assign_with_distances(rows)[0]

    def assign_with_distances(self, rows: FloatArray) -> tuple[IntArray, Doubles]:
        """The nearest centre of each row and its squared Euclidean distance, both [rows].

        Distances are rounded to nine digits of the centres' mean square, so that equal rows have equal ones.
        """
        import torch

        scale = float(np.mean(self.centres**2)) * self.centres.shape[1] or 1.0
        half_norms = torch.from_numpy(np.einsum("kd,kd->k", self.centres, self.centres) / (2 * scale))
        scaled = torch.from_numpy(np.ascontiguousarray(self.centres.T) / scale)
        labels, distances = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            block = torch.from_numpy(rows[start : start + BLOCK].astype(np.float64))
            scores = torch.addmm(half_norms, block, scaled, alpha=-1).round_(decimals=9).numpy()
            part = slice(start, start + len(block))
            labels[part] = scores.argmin(axis=1)
            gaps = block.numpy() - self.centres[labels[part]]
            distances[part] = np.round(np.einsum("nd,nd->n", gaps, gaps) / scale, 9) * scale
        return labels, distances


def default_clusters(pool_examples: int) -> int:
    """The square root of the pool's size: as many clusters as rows in a cluster."""
    return max(1, round(pool_examples**0.5))


def kmeans(
    vectors: FloatArray, clusters: int, seed: int, *, iterations: int = ITERATIONS, sample: int = SAMPLE
) -> KMeans:
    """Centres of `clusters` clusters of `vectors`, [rows, dimensions]; fewer where fewer rows of the sample differ.

    At most `iterations` rounds of Lloyd's algorithm over `sample` rows. A cluster that loses all its rows keeps its
    centre. Raises DataError for NaN.
    """
    check_finite(vectors, "the vectors")
    rng = np.random.default_rng(seed)
    taken = np.sort(rng.permutation(len(vectors))[: max(sample, clusters)])
    rows = vectors[taken]
    found = KMeans(_spread_centres(rows, clusters, rng))
    labels = np.full(len(rows), -1)
    for _ in range(iterations):
        nearest = found.assign(rows)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        found = KMeans(_means(rows, labels, found.centres))
    return found


def kmeans_flops(
    pool_examples: int, width: int, clusters: int, *, iterations: int = ITERATIONS, sample: int = SAMPLE
) -> float:
    """FLOPs of fitting centres and assigning every row: a multiplication and an addition per pair and dimension."""
    fitted = min(pool_examples, max(sample, clusters))
    return 2.0 * width * clusters * ((iterations + 1) * fitted + pool_examples)


def _spread_centres(rows: FloatArray, clusters: int, rng: np.random.Generator) -> Doubles:
    """k-means++: each further centre is a row drawn by its squared distance to the nearest one so far."""
    import torch

    points = torch.from_numpy(rows.astype(np.float64))
    points -= points.mean(dim=0)
    norms = (points**2).sum(dim=1)
    same = SAME * (float(norms.mean()) or 1.0)
    chosen = [int(rng.integers(len(rows)))]
    distances = torch.full_like(norms, torch.inf)
    while len(chosen) < min(clusters, len(rows)):
        centre = points[chosen[-1]]
        distances = torch.minimum(distances, norms + norms[chosen[-1]] - 2 * (points @ centre))
        distances[distances < same] = 0
        reached = np.cumsum(distances.numpy())
        if reached[-1] == 0:
            break
        chosen.append(int(np.searchsorted(reached, rng.random() * reached[-1], side="right")))
    return rows[chosen].astype(np.float64)


def _means(rows: FloatArray, labels: IntArray, centres: Doubles) -> Doubles:
    """The mean of each cluster's rows; the old centre of an empty one."""
    from scipy.sparse import csr_array

    owners = csr_array((np.ones(len(rows)), labels, np.arange(len(rows) + 1)), shape=(len(rows), len(centres)))
    sums, counts = owners.T @ rows.astype(np.float64), np.bincount(labels, minlength=len(centres))
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
