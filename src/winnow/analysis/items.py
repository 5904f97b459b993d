"""Paired comparisons over seeds x items: intervals that hold for other evaluation items, too.

The interval over seeds (`statistics.py`) says what other seeds would give on the very items that were scored. Here the
items count as a sample of their kind as well. Both are crossed, since all runs answer the same items: a level is a sum
of parts, one for each item, and the variance of a mean over seeds is that of seeds and that of items, less what both
contain of their interaction (the usual two-way random model; Searle, Casella and McCulloch 1992, chapter 4).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.analysis.statistics import mean_interval, student_quantile
from winnow.findings import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ItemScores:
    """What one run's items scored by one metric, in an order of their own; items that it is not asked of are absent."""

    sets: NDArray[np.str_]
    """Evaluation set of each item."""
    ids: NDArray[np.str_]
    sums: Floats
    """Score times weight: of a loss the nats over an item's target tokens."""
    weights: Floats
    """1, or what an item counts: of a loss its target tokens."""

    def of_set(self, name: str) -> "ItemScores":
        """The items of one set."""
        return self.where(self.sets == name)

    def of_sets(self, names: Sequence[str]) -> "ItemScores":
        """The items of some sets."""
        return self.where(np.isin(self.sets, list(names)))

    def where(self, kept: NDArray[np.bool_]) -> "ItemScores":
        """The items that the mask keeps."""
        return ItemScores(self.sets[kept], self.ids[kept], self.sums[kept], self.weights[kept])


@dataclass(frozen=True)
class Parts:
    """An arm's level as a sum over items."""

    values: Floats
    """[seeds, items]; a row's sum is that seed's level."""
    sets: NDArray[np.str_]
    ids: NDArray[np.str_]

    def minus(self, other: "Parts") -> "Parts | None":
        """The paired difference, item by item; None where the items are not the same."""
        if not (np.array_equal(self.ids, other.ids) and np.array_equal(self.sets, other.sets)):
            return None
        return Parts(self.values - other.values, self.sets, self.ids)


def parts_of(runs: Mapping[int, ItemScores], *, aggregate: str) -> Parts | None:
    """The level at an aggregate (micro, macro or one set) as parts; None where runs saw different items.

    A level is a ratio of sums, such as a loss: linear in its items to first order, (sum - level x weight) / all
    weights, plus an equal share of the level. Where all items weigh the same it is a mean of scores.
    """
    scores = [runs[seed] for seed in sorted(runs)]
    if aggregate not in ("micro", "macro"):
        scores = [each.of_set(aggregate) for each in scores]
    if not scores or not len(scores[0].ids) or any(not np.array_equal(each.ids, scores[0].ids) for each in scores):
        return None
    sets = scores[0].sets
    values = np.zeros((len(scores), len(sets)))
    names = dict.fromkeys(sets.tolist())
    groups = [sets == name for name in names] if aggregate == "macro" else [np.isin(sets, list(names))]
    for group in groups:
        values[:, group] = _parts(scores, group) / len(groups)
    return Parts(values, sets, scores[0].ids)


def _parts(scores: list[ItemScores], group: NDArray[np.bool_]) -> Floats:
    sums, weights = (np.stack([getattr(each, name)[group] for each in scores]) for name in ("sums", "weights"))
    if (weights == 1).all():
        means: Floats = sums / group.sum()
        return means
    level = float((sums.sum(axis=1) / weights.sum(axis=1)).mean())
    shares: Floats = (sums - level * weights) / weights.sum(axis=1, keepdims=True) + level / group.sum()
    return shares


def gain_parts(
    runs: Mapping[int, ItemScores], others: Mapping[int, ItemScores], *, aggregate: str, sign: int
) -> Parts | None:
    """The gain of runs over others, seed by seed and item by item; None where items are not the same for both."""
    seeds = runs.keys() & others.keys()
    ours, theirs = (
        parts_of({seed: each[seed] for seed in seeds}, aggregate=aggregate) if seeds else None
        for each in (runs, others)
    )
    difference = ours.minus(theirs) if ours is not None and theirs is not None else None
    return None if difference is None else replace(difference, values=sign * difference.values)


def interval_over_items(parts: Parts, confidence: float = 0.95, *, num_comparisons: int = 1) -> Estimate | None:
    """The mean over seeds and its interval over other seeds and other items; None with one seed, or one item of a set.

    Student's t with the degrees of freedom of Satterthwaite (1946), never narrower than the interval over seeds alone.
    Items are a sample of each set; the sets, and how many items each has, stand.
    """
    sums = parts.values.sum(axis=1)
    over_seeds = mean_interval(sums.tolist(), confidence, num_comparisons=num_comparisons)
    variances = _variances(parts)
    if over_seeds is None or over_seeds.half_width is None or variances is None:
        return None
    seeds, items, both = variances
    variance = max(seeds + items - both, seeds)
    freedom = len(sums) - 1, parts.values.shape[1] - len(np.unique(parts.sets))
    spread = seeds**2 / freedom[0] + items**2 / freedom[1] + both**2 / math.prod(freedom)
    if variance == 0 or spread == 0:
        return over_seeds
    quantile = student_quantile(1 - (1 - confidence) / (2 * num_comparisons), variance**2 / spread)
    half = max(quantile * math.sqrt(variance), over_seeds.half_width)
    return Estimate(over_seeds.mean, over_seeds.mean - half, over_seeds.mean + half, len(sums))


def interval_of_one_run(parts: Parts, confidence: float = 0.95, *, num_comparisons: int = 1) -> Estimate | None:
    """The mean of the runs at hand and its interval over other items alone: it says nothing of other seeds.

    For what has no seeds, such as a model before and after tuning. None with one item of a set.
    """
    variance = _items_variance(parts.values.mean(axis=0), parts.sets)
    if variance is None:
        return None
    freedom = parts.values.shape[1] - len(np.unique(parts.sets))
    half = student_quantile(1 - (1 - confidence) / (2 * num_comparisons), freedom) * math.sqrt(variance)
    mean = float(parts.values.sum(axis=1).mean())
    return Estimate(mean, mean - half, mean + half, len(parts.values))


def _variances(parts: Parts) -> tuple[float, float, float] | None:
    """Of the mean over seeds: through seeds, through items, and through their interaction, which both contain."""
    num = len(parts.values)
    if num < 2:
        return None
    items = _items_variance(parts.values.mean(axis=0), parts.sets)
    both = [_items_variance(row, parts.sets) for row in parts.values - parts.values.mean(axis=0)]
    if items is None or any(each is None for each in both):
        return None
    interaction = math.fsum(each for each in both if each is not None) / (num * (num - 1))
    return float(parts.values.sum(axis=1).var(ddof=1)) / num, items, interaction


def _items_variance(values: Floats, sets: NDArray[np.str_]) -> float | None:
    """Of a sum over items that were drawn within their sets; None where a set has one item."""
    groups: list[Any] = [values[sets == name] for name in np.unique(sets)]
    if any(len(group) < 2 for group in groups):
        return None
    return math.fsum(len(group) * float(group.var(ddof=1)) for group in groups)
