"""Laws of a loss in the shares it was trained at, fitted to a few runs.

log_shares: L(w) = a + sum_s b_s log(w_s + FLOOR), by ridge regression; steep as a share goes to 0, as text is.
log_linear: L(w) = c + exp(t . w) (Ye et al. 2024, arXiv 2403.16952); convex in w, but without that rise.
mde:        L(w) = a + b M(w), M the loss of mixed predictions (`predictions.py`); convex in w, two numbers to fit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from winnow.mixing.descent import Function
from winnow.mixing.sources import FloatArray

LawName = Literal["log_shares", "log_linear", "mde"]
FLOOR = 0.02
"""Share: below it a source's loss is hardly known from a few runs, and no fit should build on it."""
RIDGES = np.geomspace(1e-6, 1e2, 33)
"""Penalties that are tried, over the mean variance of the features."""
GAPS = np.geomspace(1e-2, 1e2, 33)
"""Distances of c from the smallest loss that are tried, over the spread of the losses."""
ROUNDS = 60
"""Gauss-Newton steps at most."""

Law = Callable[[FloatArray, FloatArray], Function]
"""From shares [runs, sources] and losses [runs] to the fitted loss and gradient at any shares."""


def num_parameters(law: LawName, sources: int) -> int:
    """Numbers that are fitted for each set, so fewer runs than that tell nothing."""
    return 2 if law == "mde" else sources + 1


def fit_log_shares(shares: FloatArray, losses: FloatArray) -> Function:
    """The penalty is the one whose leave-one-out error is smallest, in closed form."""
    features = np.log(shares + FLOOR)
    middle, level = features.mean(axis=0), losses.mean()
    left, sizes, right = np.linalg.svd(features - middle, full_matrices=False)
    scale = max(float((sizes**2).mean()), 1e-30)
    inside = left.T @ (losses - level)

    def left_out_error(ridge: float) -> float:
        kept = sizes**2 / (sizes**2 + ridge * scale)
        leverage = (left**2 * kept).sum(axis=1) + 1.0 / len(losses)
        missed = (losses - level - left @ (kept * inside)) / np.maximum(1.0 - leverage, 1e-9)
        return float((missed**2).sum())

    ridge = min(RIDGES, key=left_out_error)
    slopes = right.T @ (sizes / (sizes**2 + ridge * scale) * inside)
    return lambda at: (float(level + slopes @ (np.log(at + FLOOR) - middle)), slopes / (at + FLOOR))


@dataclass(frozen=True, slots=True)
class LogLinear:
    """c + exp(t . w)."""

    offset: float
    slopes: FloatArray
    """t, [sources]."""

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient."""
        rise = float(np.exp(np.minimum(self.slopes @ at, 50.0)))
        return self.offset + rise, rise * self.slopes

    def missed(self, shares: FloatArray, losses: FloatArray) -> FloatArray:
        """[runs]: predicted minus measured."""
        return self.offset + np.exp(np.minimum(shares @ self.slopes, 50.0)) - losses


def fit_log_linear(shares: FloatArray, losses: FloatArray) -> LogLinear:
    """Of many distances of c from the losses the best, then least squares from there: no chance, no bad start."""
    spread = max(float(np.ptp(losses)), 1e-9)
    starts = [_at_offset(float(losses.min() - gap * spread), shares, losses) for gap in GAPS]
    return _refined(min(starts, key=lambda fit: float((fit.missed(shares, losses) ** 2).sum())), shares, losses)


def _at_offset(offset: float, shares: FloatArray, losses: FloatArray) -> LogLinear:
    """The best t for a c, in logs; weights make the error that of the loss."""
    excess = losses - offset
    slopes = np.linalg.lstsq(shares * excess[:, None], np.log(excess) * excess, rcond=None)[0]
    return LogLinear(offset, slopes.astype(np.float64))


def _refined(fit: LogLinear, shares: FloatArray, losses: FloatArray) -> LogLinear:
    """Levenberg-Marquardt, while it helps."""
    error, damping = float((fit.missed(shares, losses) ** 2).sum()), 1e-3
    for _ in range(ROUNDS):
        missed = fit.missed(shares, losses)
        rise = missed + losses - fit.offset
        slopes = np.column_stack([np.ones(len(losses)), shares * rise[:, None]])
        normal = slopes.T @ slopes
        step = np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-12), slopes.T @ missed)
        trial = LogLinear(fit.offset - float(step[0]), fit.slopes - step[1:])
        trial_error = float((trial.missed(shares, losses) ** 2).sum())
        if trial_error >= error:
            damping *= 10.0
        elif trial_error > error * (1.0 - 1e-10):
            return trial
        else:
            fit, error, damping = trial, trial_error, damping / 10.0
    return fit


def mde_law(mixed: Function) -> Law:
    """The law for a set whose mixed predictions are given; a slope below 0 is taken as 0."""

    def fit(shares: FloatArray, losses: FloatArray) -> Function:
        features = np.array([mixed(row)[0] for row in shares])
        centred = features - features.mean()
        slope = max(0.0, float(centred @ losses) / max(float(centred @ centred), 1e-30))
        level = float(losses.mean()) - slope * float(features.mean())

        def fitted(at: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = mixed(at)
            return level + slope * value, slope * gradient

        return fitted

    return fit
