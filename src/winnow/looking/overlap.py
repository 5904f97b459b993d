"""How much two selections share, beside what two random draws of their sizes would."""

import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom


@dataclass(frozen=True, slots=True)
class Overlap:
    """Shares in [0, 1]."""

    jaccard: float
    """Common rows over the rows of either."""
    random_jaccard: float
    """Of two independent draws of the same sizes without replacement, in expectation."""
    common_share: float
    """Common rows over the rows of the smaller selection."""
    random_common_share: float


def overlap(first: Set[str], second: Set[str], pool_size: int) -> Overlap:
    """The overlap of two sets of ids, neither empty, out of a pool of `pool_size` rows."""
    common, sizes = len(first & second), (len(first), len(second))
    smaller = min(sizes)
    return Overlap(
        jaccard=common / (sum(sizes) - common),
        random_jaccard=expected_jaccard(*sizes, pool_size),
        common_share=common / smaller,
        random_common_share=max(sizes) / pool_size,
    )


def expected_jaccard(first: int, second: int, pool_size: int) -> float:
    """The mean Jaccard index of two independent draws of these sizes: their common rows are hypergeometric."""
    common = np.arange(max(0, first + second - pool_size), min(first, second) + 1)
    chances = hypergeom(pool_size, first, second).pmf(common)
    return float(np.sum(chances * common / (first + second - common)))


def mean_overlap(overlaps: Sequence[Overlap]) -> Overlap:
    """The mean of each number."""
    return Overlap(
        jaccard=float(np.mean([each.jaccard for each in overlaps])),
        random_jaccard=float(np.mean([each.random_jaccard for each in overlaps])),
        common_share=float(np.mean([each.common_share for each in overlaps])),
        random_common_share=float(np.mean([each.random_common_share for each in overlaps])),
    )


def between(first: Mapping[int, Set[str]], second: Mapping[int, Set[str]], pool_size: int) -> Overlap:
    """The overlap of two arms, each seed -> ids: the mean over the seeds that both have."""
    return mean_overlap([overlap(ids, second[seed], pool_size) for seed, ids in first.items() if seed in second])


def across_seeds(by_seed: Mapping[int, Set[str]], pool_size: int) -> Overlap | None:
    """The mean overlap of an arm's selections of two seeds; null with fewer than two."""
    pairs = [overlap(a, b, pool_size) for a, b in itertools.combinations(by_seed.values(), 2)]
    return mean_overlap(pairs) if pairs else None
