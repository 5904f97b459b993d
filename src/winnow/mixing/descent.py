"""The lowest point of a function of shares, by entropic descent (mirror descent with Kullback-Leibler divergence)."""

from collections.abc import Callable, Sequence

import numpy as np

from winnow.mixing.caps import water_fill
from winnow.mixing.sources import FloatArray

Function = Callable[[FloatArray], tuple[float, FloatArray]]
"""From shares [sources] to the value there and its gradient [sources]."""
TOLERANCE, MOST_STEPS = 1e-7, 5000
LARGEST_STEP, SMALLEST_STEP = 1e6, 1e-12
TINY = 1e-300
"""What stands for a share of 0 in a logarithm."""


def minimise(
    function: Function, prior: FloatArray, caps: FloatArray, *, kl: float = 0.0, start: FloatArray | None = None
) -> tuple[FloatArray, float]:
    """Shares [sources] below their caps where function + kl x KL(shares, prior) is lowest, and its value.

    Each step goes to the lowest point of the tangent + kl x KL(., prior) + KL(., shares) / step; it is halved until
    the function lies below its tangent + KL / step there. Stops where no shares can be lower by more than TOLERANCE
    on the tangent: of a convex function that bounds the distance to its minimum. `start`, or else the prior, has to lie
    inside: a share of 0 stays 0.
    """
    shares = water_fill(prior if start is None else start, caps)
    value, gradient = function(shares)
    step = 1.0
    for _ in range(MOST_STEPS):
        slope = gradient + kl * np.log(np.maximum(shares, TINY) / prior)
        if slope @ shares - lowest(slope, caps) <= TOLERANCE or step < SMALLEST_STEP:
            break
        trial = water_fill(_scaled(np.log(np.maximum(shares, TINY)) - slope / (1.0 / step + kl)), caps)
        trial_value, trial_gradient = function(trial)
        if trial_value <= value + gradient @ (trial - shares) + divergence(trial, shares) / step + 1e-15 * abs(value):
            shares, value, gradient, step = trial, trial_value, trial_gradient, min(2 * step, LARGEST_STEP)
        else:
            step /= 2
    return shares, value + kl * divergence(shares, prior)


def weighted_sum(parts: Sequence[tuple[float, Function]]) -> Function:
    """Weight x function, summed, with its gradient."""

    def value_and_gradient(at: FloatArray) -> tuple[float, FloatArray]:
        told = [(weight, *function(at)) for weight, function in parts]
        return float(sum(w * value for w, value, _ in told)), np.sum([w * slope for w, _, slope in told], axis=0)

    return value_and_gradient


def _scaled(logs: FloatArray) -> FloatArray:
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def lowest(gradient: FloatArray, caps: FloatArray) -> float:
    """The smallest gradient x shares below the caps: the cheapest sources first, each as far as it goes."""
    order = np.argsort(gradient, kind="stable")
    taken = np.diff(np.minimum(np.cumsum(np.append(0.0, caps[order])), 1.0))
    return float(taken @ gradient[order])


def divergence(shares: FloatArray, prior: FloatArray) -> float:
    """KL(shares, prior) in nats; the prior must have a share where the shares have one."""
    inside = shares > 0
    return float((shares[inside] * np.log(shares[inside] / prior[inside])).sum())
