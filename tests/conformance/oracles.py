"""What every deterministic selector would choose by its definition: brute force, slow, float64.

An oracle takes the pool of one source, sorted by id, what is seen of it, and a size, and gives rows in order.
"""

import numpy as np

from winnow.selection.clusters import default_clusters, kmeans
from winnow.selection.facility_location import BANDWIDTH_SEED, FacilityLocationOptions
from winnow.selection.features import median_bandwidth
from winnow.selection.leverage import LeverageOptions
from winnow.selection.log_det import LogDetOptions
from winnow.selection.score_gated_herding import GateOptions


def exact(rows):
    return rows.astype(np.float64)


def greedy(count, size, value, chosen=()):
    """Rows added one by one, each the one that makes `value(set)` largest; the lowest of those that tie."""
    chosen = list(chosen)
    while len(chosen) < size:
        left = [row for row in range(count) if row not in chosen]
        chosen.append(left[int(np.argmax([round(value([*chosen, row]), 11) for row in left]))])
    return chosen


def by(keys, size):
    return np.argsort(np.round(keys, 9), kind="stable")[:size].tolist()


def herding(pool, seen, size, candidates=None, aim=None):
    """The smallest squared distance between the set's mean feature and the pool's, or the target's."""
    rows = exact(seen.features)
    if aim is None:
        aim = exact(seen.features if seen.target is None else seen.target.features).mean(axis=0)
    inside = range(len(rows)) if candidates is None else candidates

    def closeness(subset):
        return -((rows[[inside[row] for row in subset]].mean(axis=0) - aim) ** 2).sum()

    return [inside[row] for row in greedy(len(inside), size, closeness)]


def quantiles(scores):
    return np.array([((scores < score).sum() + ((scores == score).sum() / 2)) / len(scores) for score in scores])


def score_gated_herding(pool, seen, size):
    inside = [row for row, level in enumerate(quantiles(seen.scores)) if level <= GateOptions().high]
    assert size <= len(inside), "an oracle of the gate alone"
    return herding(pool, seen, size, candidates=inside)


def turns(pool, seen, size):
    """Target rows in turn, each with its most similar unused row."""
    rows, target = exact(seen.vectors), exact(seen.target.vectors)
    cosines = [[aim @ row / np.linalg.norm(aim) / np.linalg.norm(row) for row in rows] for aim in target]
    chosen = []
    for turn in range(size):
        left = [row for row in range(len(rows)) if row not in chosen]
        chosen.append(max(left, key=lambda row: round(cosines[turn % len(target)][row], 9)))
    return chosen


def k_centre(pool, seen, size):
    rows = exact(seen.vectors)
    first = int(np.argmin(((rows - rows.mean(axis=0)) ** 2).sum(axis=1)))
    chosen = [first]
    while len(chosen) < size:
        chosen.append(int(np.argmax([min(((row - rows[other]) ** 2).sum() for other in chosen) for row in rows])))
    return chosen


def log_det(pool, seen, size):
    rows = exact(seen.features)
    kernel = rows @ rows.T
    ridge = LogDetOptions().ridge * kernel.diagonal().max()
    return greedy(len(rows), size, lambda s: np.linalg.slogdet(kernel[np.ix_(s, s)] + ridge * np.eye(len(s))).logabsdet)


def leverage(pool, seen, size):
    rows = exact(seen.features)
    ridge = LeverageOptions().ridge * (rows**2).sum()
    inverse = np.linalg.inv(rows.T @ rows + ridge * np.eye(rows.shape[1]))
    return by([-len(rows) * row @ inverse @ row for row in rows], size)


def facility_location(pool, seen, size):
    rows = exact(seen.vectors)
    scale = FacilityLocationOptions().bandwidth_scale
    bandwidth = scale * median_bandwidth(seen.vectors, np.random.default_rng(BANDWIDTH_SEED))
    kernel = np.exp(-((rows[:, None] - rows[None]) ** 2).sum(axis=-1) / (2 * bandwidth**2))
    return greedy(len(rows), size, lambda subset: kernel[subset].max(axis=0).sum())


def clustered(rows, seed=0):
    """Number of each row's nearest fitted centre, and the squared distance to it."""
    centres = kmeans(rows, default_clusters(len(rows)), seed).centres
    gaps = ((exact(rows)[:, None] - centres[None]) ** 2).sum(axis=-1)
    return gaps.argmin(axis=1), gaps.min(axis=1)


def cluster_round_robin(pool, seen, size):
    labels, distances = clustered(seen.vectors)
    sizes = np.bincount(labels)
    queues = [sorted(np.flatnonzero(labels == c), key=lambda row: distances[row]) for c in range(len(sizes))]
    order = []
    for turn in range(len(labels)):
        for cluster in sorted(range(len(sizes)), key=lambda c: (-sizes[c], c)):
            order += [int(row) for row in queues[cluster][turn : turn + 1]]
    return order[:size]


def semantic_deduplication(pool, seen, size):
    units = exact(seen.vectors) / np.linalg.norm(exact(seen.vectors), axis=1, keepdims=True)
    labels, distances = clustered(units.astype(np.float32))
    scores = np.full(len(units), -1.0)
    for cluster in range(labels.max() + 1):
        members = sorted(np.flatnonzero(labels == cluster), key=lambda row: -distances[row])
        for place, row in enumerate(members[1:], start=1):
            scores[row] = max(units[row] @ units[other] for other in members[:place])
    return by(scores, size)


ORACLES = {
    "band": lambda pool, seen, size: by(np.abs(quantiles(seen.scores) - 0.5), size),
    "bottom_k": lambda pool, seen, size: by(seen.scores, size),
    "cluster_round_robin": cluster_round_robin,
    "facility_location": facility_location,
    "full": lambda pool, seen, size: list(range(len(pool))),
    "gradient_round_robin": turns,
    "herding": herding,
    "k_centre": k_centre,
    "leverage": leverage,
    "log_det": log_det,
    "rds_round_robin": turns,
    "score_gated_herding": score_gated_herding,
    "semantic_deduplication": semantic_deduplication,
    "top_k": lambda pool, seen, size: by(-seen.scores, size),
    "weighted_kernel_quadrature": herding,
}
READS_A_FILE = {"ids"}
"""It has no definition beside the file: see tests/selection/test_ids.py."""
