"""Means over seeds, paired differences, and how many seeds a difference would need.

Seeds are the unit: with one seed there is no interval, and nothing is claimed.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import gammaincinv, nctdtr, ndtr, stdtrit

from winnow.errors import DataError
from winnow.findings import Estimate

POWER = 0.8
"""Chance with which `needed_seeds` asks to see a difference that is there."""
MOST_SEEDS = 1000
"""Beyond this a difference is called out of reach."""
FAR = 1e6
"""Noncentrality beyond which scipy computes no tail; nothing is left of it there."""
QUANTILES = 10_000
"""So many stand for the distribution of a deviation where SciPy gives no number."""


def mean_interval(values: Sequence[float], confidence: float = 0.95, *, num_comparisons: int = 1) -> Estimate | None:
    """The mean of one value per seed and its Student-t interval; None without values.

    The interval is mean ± t(1 - alpha/2m, n - 1) s / sqrt(n), with alpha = 1 - confidence, m comparisons (Bonferroni)
    and s the sample standard deviation. With n = 1 there is no interval.
    """
    if not values:
        return None
    mean = mean_of(values)
    if len(values) == 1:
        return Estimate(mean, None, None, 1)
    half = student_quantile(1 - (1 - confidence) / (2 * num_comparisons), len(values) - 1) * deviation(values)
    half /= math.sqrt(len(values))
    check_finite(mean - half, mean + half)
    return Estimate(mean, mean - half, mean + half, len(values))


def mean_of(values: Sequence[float]) -> float:
    """The mean; values must not be empty. Raises DataError where it is no finite number."""
    try:
        mean = math.fsum(values) / len(values)
    except (OverflowError, ValueError):  # intermediate overflow; infinities of both signs
        mean = math.nan
    check_finite(mean)
    return mean


def check_finite(*found: float) -> None:
    """Raises DataError where a number is none: it would compare with nothing."""
    if not all(map(math.isfinite, found)):
        raise DataError("values are no finite numbers, or too large for a mean and its interval; mend or rescale them")


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (n - 1); 0 with fewer than two values. Raises DataError as `mean_of`."""
    if len(values) < 2:
        return 0.0
    mean = mean_of(values)
    offsets = [value - mean for value in values]
    check_finite(*offsets)
    exponent = math.frexp(max(map(abs, offsets)))[1]  # a power of two changes no digit, and no square is out of range
    scaled = math.fsum(math.ldexp(each, -exponent) ** 2 for each in offsets)
    return math.ldexp(math.sqrt(scaled / (len(values) - 1)), exponent)


def paired_differences(first: Mapping[int, float], second: Mapping[int, float]) -> list[float]:
    """first - second for each seed that both have, by seed."""
    return [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]


def power(effect: float, num: int, confidence: float = 0.95, *, num_comparisons: int = 1) -> float:
    """Chance that a paired t-test over `num` seeds claims a difference, on either side, where there is this one.

    `effect` is the true mean of the differences over their true standard deviation. The statistic is Student's t with
    n - 1 degrees of freedom and noncentrality effect sqrt(n) (Cohen 1988, section 2.3), its tails cut at
    t(1 - alpha/2m, n - 1). With an effect of 0 it is alpha/m.
    """
    bound = student_quantile(1 - (1 - confidence) / (2 * num_comparisons), num - 1)
    shift = min(abs(effect) * math.sqrt(num), FAR)
    return 2 - _noncentral_t(bound, num - 1, shift) - _noncentral_t(bound, num - 1, -shift)


def _noncentral_t(bound: float, degrees: int, shift: float) -> float:
    """Chance that a noncentral t lies below the bound.

    SciPy's gives no number at some far shifts; there it is the mean, over even quantiles of the chi distribution of
    the deviation, of a normal's chance.
    """
    chance = float(nctdtr(degrees, shift, bound))
    if math.isfinite(chance):
        return chance
    quantiles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    deviations = np.sqrt(2 * gammaincinv(degrees / 2, quantiles) / degrees)
    return float(ndtr(bound * deviations - shift).mean())


def needed_seeds(differences: Sequence[float], confidence: float = 0.95, *, num_comparisons: int = 1) -> int | None:
    """About how many seeds would show the mean of `differences` at 80 % power, were it and their spread the truth.

    A guide for planning: a spread from few seeds is itself uncertain. None with fewer than two differences, for a
    mean of 0, or beyond 1000 seeds.
    """
    if len(differences) < 2:
        return None
    mean, spread = abs(mean_of(differences)), deviation(differences)
    if mean == 0:
        return None
    effect = mean / spread if spread else math.inf
    tried = range(2, MOST_SEEDS + 1)
    place = bisect_left(tried, POWER, key=lambda num: power(effect, num, confidence, num_comparisons=num_comparisons))
    return tried[place] if place < len(tried) else None


def student_quantile(probability: float, degrees: float) -> float:
    """Of Student's t."""
    return float(stdtrit(degrees, probability))
