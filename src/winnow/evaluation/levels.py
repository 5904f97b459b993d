"""From the scores of items to the level of a set, and how sure that is."""

import math
from collections.abc import Sequence

import numpy as np

from winnow.metrics import Metric


def level_of(metric: Metric, scores: Sequence[float], weights: Sequence[float]) -> tuple[float | None, float | None]:
    """The level, sum(score x weight) / sum(weight), and its standard error over items; None where nothing tells it.

    The error is that of a mean, s / sqrt(n), with s the sample standard deviation; where items do not weigh the same,
    of the ratio of sums, linearised. A perplexity is exp(-mean), its error that many times the error of the mean.
    """
    values, shares = np.array(scores, dtype=np.float64), np.array(weights, dtype=np.float64)
    if not shares.sum() > 0:
        return None, None
    level = float((values * shares).sum() / shares.sum())
    residuals = (values - level) * shares / shares.mean()
    count = len(values)
    stderr = float(np.sqrt((residuals**2).sum() / (count - 1) / count)) if count > 1 else None
    if metric.is_perplexity:
        level = math.exp(-level)
        stderr = None if stderr is None else level * stderr
    return level, stderr
