"""Rows sampled by the ratio of the target's density to the pool's, which a classifier of the two estimates.

With classes weighted alike, the odds of a logistic regression of target against pool are that ratio (Sugiyama, Suzuki
and Kanamori 2012). Rows are drawn without replacement in proportion to it, so the draw resembles the target
instead of crowding around its rows.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from winnow.recipe import Frozen, Positive
from winnow.selection.gumbel import gumbel_order
from winnow.selection.registry import selector
from winnow.selection.views import FloatArray, IntArray, PoolView, Seen

MAX_PASSES = 50
"""Evaluations of loss and gradient at most."""
TOLERANCE = 1e-9
"""Largest entry of the gradient at which the fit is done."""
MAX_CONVERTED = 1 << 22
"""Numbers converted to float64 at once: 32 MiB."""


class DensityRatioOptions(Frozen):
    """Options of `density_ratio`."""

    l2: Positive = 0.01
    """Weight of half the squared norm of the coefficients, beside the mean loss, with the pool's vectors scaled to
    a root mean square of 1."""


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: DensityRatioOptions) -> float:
    """Four for each number in each pass, at the most passes that the fit may take."""
    return 4.0 * width * (pool_examples + target_examples) * MAX_PASSES


@selector(
    "density_ratio",
    summary="Rows sampled by a classifier's odds of target against pool.",
    options=DensityRatioOptions,
    needs=("vectors",),
    target="required",
    is_random=True,
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: DensityRatioOptions, rng: np.random.Generator) -> IntArray:
    """All rows in the order in which they are drawn."""
    assert seen.vectors is not None and seen.target is not None and seen.target.vectors is not None
    return gumbel_order(log_odds(seen.vectors, seen.target.vectors, l2=options.l2), rng)


def log_odds(vectors: FloatArray, target: FloatArray, *, l2: float) -> NDArray[np.float64]:
    """Fitted log-odds of target against pool for each row of `vectors`, [pool]; the intercept is not shrunk."""
    from scipy.optimize import minimize

    scale = _root_mean_square(vectors)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        of_pool, of_target = (_half_loss(parameters, *part, scale) for part in ((vectors, 1.0), (target, -1.0)))
        shrunk = np.append(parameters[:-1], 0.0)
        value = of_pool[0] + of_target[0] + l2 / 2 * float(shrunk @ shrunk)
        return value, of_pool[1] + of_target[1] + l2 * shrunk

    fitted = minimize(
        loss, np.zeros(vectors.shape[1] + 1), jac=True, method="L-BFGS-B",
        options={"maxfun": MAX_PASSES, "maxiter": MAX_PASSES, "gtol": TOLERANCE, "ftol": 0.0},
    ).x  # fmt: skip
    return np.concatenate([block @ fitted for block in _blocks(vectors, scale)])


def _half_loss(
    parameters: NDArray[np.float64], rows: FloatArray, sign: float, scale: float
) -> tuple[float, NDArray[np.float64]]:
    """Half the mean of log(1 + exp(sign * log-odds)) over the rows of one class, and its gradient."""
    from scipy.special import expit

    value, gradient = 0.0, np.zeros(len(parameters))
    for block in _blocks(rows, scale):
        odds = sign * (block @ parameters)
        value += float(np.logaddexp(0.0, odds).sum())
        gradient += sign * (expit(odds) @ block)
    return value / (2 * len(rows)), gradient / (2 * len(rows))


def _root_mean_square(rows: FloatArray) -> float:
    square = float(np.einsum("nd,nd->", rows, rows, dtype=np.float64)) / rows.size
    return float(np.sqrt(square)) or 1.0


def _blocks(rows: FloatArray, scale: float) -> Iterator[NDArray[np.float64]]:
    """Scaled rows in float64 with a column of ones for the intercept, some at a time."""
    length = max(1, MAX_CONVERTED // rows.shape[1])
    for start in range(0, len(rows), length):
        block = np.ones((min(length, len(rows) - start), rows.shape[1] + 1))
        block[:, :-1] = rows[start : start + length]
        block[:, :-1] /= scale
        yield block
