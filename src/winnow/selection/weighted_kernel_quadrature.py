"""Herded rows with weights: their weighted mean feature comes closer to the pool's, or a target's, than the plain one.

Rows are those of `herding`, in its order. Their weights w, positive and 1 on average, minimise

    |sum w z / k - mu|^2 + ridge sum (w - 1)^2 / k^2

as in Bayesian quadrature, which is herding with the best weights (Huszar and Duvenaud 2012). Equal weights are feasible
and pay no ridge, so the weighted mean is never farther from mu than the plain one. It works on kernel features, as
herding does.
"""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from winnow.recipe import Number
from winnow.selection.features import mean_row
from winnow.selection.herding import HerdingOptions, herd, looked_at, shuffle_by_id
from winnow.selection.herding import flops as herding_flops
from winnow.selection.registry import selector
from winnow.selection.views import Chosen, FloatArray, PoolView, Seen

if TYPE_CHECKING:
    import torch

ITERATIONS = 100
POWER_ITERATIONS = 20
STEP_MARGIN = 1.2
"""Power iterations come out below the largest eigenvalue; a step must not be longer than its inverse."""


class WeightedKernelQuadratureOptions(HerdingOptions):
    """Options of `weighted_kernel_quadrature`: those of herding, and of the weights."""

    ridge: Annotated[Number, Field(ge=0.0, le=1e6)] = 0.1
    """What unequal weights cost, over the mean |z|^2: larger keeps them closer to 1. At 0 they fit the errors of the
    random features: in fresh ones their mean was farther off than the plain one (10 % of 5,000 synthetic rows)."""
    min_weight: Annotated[Number, Field(gt=0.0, lt=1.0)] = 0.05
    """No row weighs less, over the mean weight."""


def flops(
    *, pool_examples: int, width: int, size: int, target_examples: int, options: WeightedKernelQuadratureOptions
) -> float:
    """Herding's, and three products with the chosen rows for each iteration."""
    herded = herding_flops(
        pool_examples=pool_examples, width=width, size=size, target_examples=target_examples, options=options
    )
    return herded + 2.0 * width * size * (3 * ITERATIONS + 2 * POWER_ITERATIONS)


@selector(
    "weighted_kernel_quadrature",
    summary="Herded rows with weights that bring their mean feature closer still.",
    options=WeightedKernelQuadratureOptions,
    needs=("features",),
    target="optional",
    flops=flops,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: WeightedKernelQuadratureOptions, rng: np.random.Generator
) -> Chosen:
    """`size` rows in herding's order, and their weights."""
    assert seen.features is not None
    aimed = seen.features if seen.target is None else seen.target.features
    assert aimed is not None
    aim = mean_row(aimed)
    rows = herd(seen.features, aim, looked=looked_at(size, len(pool), options), shuffled=shuffle_by_id(pool.ids))
    return Chosen(rows, quadrature_weights(seen.features[rows], aim, ridge=options.ridge, floor=options.min_weight))


def quadrature_weights(
    rows: FloatArray, aim: NDArray[np.float64], *, ridge: float, floor: float
) -> NDArray[np.float64]:
    """Weights of `rows`, [rows, features], at least `floor` and 1 on average, whose weighted mean is closest to `aim`.

    Accelerated projected gradient (Beck and Teboulle 2009) from equal weights, float64; the best of all iterates.
    """
    import torch

    points = torch.from_numpy(rows - aim)
    ridge *= float(np.square(rows, dtype=np.float64).sum(axis=1).mean())
    step = 1 / (STEP_MARGIN * _largest_eigenvalue(points) + ridge or 1.0)
    best = weights = ahead = torch.ones(len(rows), dtype=torch.float64)
    lowest, momentum = float(points.sum(dim=0).square().sum()), 1.0
    for _ in range(ITERATIONS):
        slope = points @ (points.T @ ahead) + ridge * (ahead - 1)
        last, weights = weights, _project(ahead - step * slope, floor)
        error = float((points.T @ weights).square().sum() + ridge * (weights - 1).square().sum())
        if error < lowest:
            best, lowest = weights, error
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = weights + (momentum - 1) / next_momentum * (weights - last)
        momentum = next_momentum
    return best.numpy()


def _largest_eigenvalue(points: "torch.Tensor") -> float:
    """Of `points points'`, about, by power iteration."""
    import torch

    direction = torch.linspace(1, 2, len(points), dtype=torch.float64)
    length = 0.0
    for _ in range(POWER_ITERATIONS):
        direction = points @ (points.T @ direction)
        length = float(direction.norm())
        direction = direction / (length or 1.0)
    return length


def _project(weights: "torch.Tensor", floor: float) -> "torch.Tensor":
    """The nearest weights that are at least `floor` and 1 on average (Held, Wolfe, Crowder 1974)."""
    import torch

    total = (1 - floor) * len(weights)
    falling = (weights - floor).sort(descending=True).values
    excess = (falling.cumsum(dim=0) - total) / torch.arange(1, len(weights) + 1)
    shift = excess[int((falling > excess).sum()) - 1]
    return floor + (weights - floor - shift).clamp(min=0)
