"""Means over seeds, paired differences, and how many seeds a difference would need.

Seeds are the unit: with one seed there is no interval, and nothing is claimed.
"""

import math
from collections.abc import Mapping, Sequence

from scipy.special import stdtrit

from winnow.findings import Estimate

POWER = 0.8
"""Chance with which `needed_seeds` asks to see a difference that is there."""
MOST_SEEDS = 1000
"""Beyond this a difference is called out of reach."""


def mean_interval(values: Sequence[float], confidence: float = 0.95, *, num_comparisons: int = 1) -> Estimate | None:
    """The mean of one value per seed and its Student-t interval; None without values.

    The interval is mean ± t(1 - alpha/2m, n - 1) s / sqrt(n), with alpha = 1 - confidence, m comparisons (Bonferroni)
    and s the sample standard deviation. With n = 1 there is no interval.
    """
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, None, None, 1)
    half = _quantile(1 - (1 - confidence) / (2 * num_comparisons), len(values) - 1) * deviation(values)
    half /= math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, len(values))


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (n - 1); 0 with fewer than two values."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def paired_differences(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """first - second for each seed that both have, by seed."""
    return [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]


def needed_seeds(differences: Sequence[float], confidence: float = 0.95, *, num_comparisons: int = 1) -> int | None:
    """About how many seeds would show the mean of `differences` at 80 % power, were it and their spread the truth.

    The smallest n >= 2 with sqrt(n) |mean| >= (t(1 - alpha/2m, n - 1) + t(power, n - 1)) s: the usual approximation
    of a paired t-test's power. A guide for planning: a spread from few seeds is itself uncertain. None with fewer
    than two differences, for a mean of 0, or beyond 1000 seeds.
    """
    if len(differences) < 2:
        return None
    mean = abs(math.fsum(differences)) / len(differences)
    spread = deviation(differences)
    for num in range(2, MOST_SEEDS + 1):
        quantiles = _quantile(1 - (1 - confidence) / (2 * num_comparisons), num - 1) + _quantile(POWER, num - 1)
        if mean > 0 and math.sqrt(num) * mean >= quantiles * spread:
            return num
    return None


def _quantile(probability: float, degrees: int) -> float:
    """Of Student's t."""
    return float(stdtrit(degrees, probability))
