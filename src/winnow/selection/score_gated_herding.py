"""Quality, then diversity: herding among the rows that pass a gate on their score.

The gate keeps the rows whose score lies between two quantiles inside their source; by default it drops the fifth with
the highest loss. Herding goes towards the mean feature of the whole pool, or of the target. The gate does not depend
on the size, so selections stay nested; where more rows are asked for than pass it, the others follow, those
nearest to the gate first.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from winnow.recipe import Share
from winnow.selection import herding
from winnow.selection.band import DECIMALS
from winnow.selection.ranks import ScoreOptions, quantiles, ranked, source_numbers
from winnow.selection.registry import selector
from winnow.selection.views import IntArray, PoolView, Seen, TargetSample


class GateOptions(ScoreOptions):
    """Options of `score_gated_herding`."""

    low: Share = 0.0
    """Lowest quantile of the score that passes."""
    high: Share = 0.8
    """Highest quantile of the score that passes."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}; the gate would let no row pass")
        return self


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: GateOptions) -> float:
    """Those of herding among the rows that pass."""
    passing = max(1, int(np.ceil((options.high - options.low) * pool_examples)))
    return herding.flops(
        pool_examples=passing, width=width, size=min(size, passing), target_examples=target_examples,
        options=herding.HerdingOptions(),
    )  # fmt: skip


@selector(
    "score_gated_herding",
    summary="Herding among the rows whose score passes a gate.",
    options=GateOptions,
    needs=("features", "scores"),
    target="optional",
    flops=flops,
)
def order(pool: PoolView, *, size: int, seen: Seen, options: GateOptions, rng: np.random.Generator) -> IntArray:
    """`size` rows: herded ones that pass the gate, then the others by how far they miss it."""
    assert seen.features is not None and seen.scores is not None
    groups = source_numbers(pool.sources, options.inside_sources)
    missed = _distance(quantiles(seen.scores, groups), options)
    passing = np.flatnonzero(missed == 0)
    by_distance = ranked(missed, groups)
    rest = by_distance[missed[by_distance] > 0]
    if not len(passing):
        return rest
    aim = seen.target if seen.target is not None else TargetSample(pool.sources, features=seen.features)
    gated = Seen(features=seen.features[passing], target=aim)
    herded = herding.order(
        pool.take(passing), size=min(size, len(passing)), seen=gated, options=herding.HerdingOptions(), rng=rng
    )
    return np.concatenate([passing[herded], rest])


def _distance(quantile: NDArray[np.float64], options: GateOptions) -> NDArray[np.float64]:
    """How far each row's quantile lies outside the gate; 0 inside."""
    outside: NDArray[np.float64] = np.maximum(options.low - quantile, quantile - options.high)
    return np.maximum(outside, 0).round(DECIMALS)
