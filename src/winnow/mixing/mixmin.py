"""Shares at which the mixed predictions of one small model a source are best (Thudi et al. 2025, arXiv 2502.10510).

One proxy a source, and a convex problem that is solved exactly. It takes models to mix as predictions do, without
transfer between sources, and so leans towards the middle.
"""

from collections.abc import Sequence

import numpy as np

from winnow.mixing.caps import at_caps, epoch_caps
from winnow.mixing.descent import minimise, weighted_sum
from winnow.mixing.learned import Learned, Proxy, ProxyReading
from winnow.mixing.learning import LearnedOptions, ProxiesOptions, alone, equal_array, goal_of, interval
from winnow.mixing.predictions import MixedPredictions, alone_in
from winnow.mixing.registry import mixer
from winnow.mixing.sources import FloatArray, SourceTokens, as_shares

BLOCKS = 50
"""Stretches of a set that are drawn as a whole: neighbouring tokens are alike."""
SEED = 0


class MixMinOptions(LearnedOptions):
    """Options of `mixmin`."""

    proxies: ProxiesOptions = ProxiesOptions()
    """The runs that shares are learned from, one a source."""


def proxies(sources: Sequence[str], *, options: MixMinOptions) -> list[Proxy]:
    """A proxy for each source."""
    return alone(sources, options.proxies)


@mixer(
    "mixmin", summary="Shares at which the mixed predictions of a proxy a source are best.",
    options=MixMinOptions, proxies=proxies,
)  # fmt: skip
def shares(
    sources: Sequence[SourceTokens], *, tokens: int, readings: Sequence[ProxyReading], options: MixMinOptions
) -> Learned:
    """The minimum of the goal's mixed predictions. Raises RecipeError where the caps leave too little."""
    names = [source.name for source in sources]
    goal = goal_of(readings, options)
    sets = {name: MixedPredictions.of(alone_in(readings, names), name) for name in goal}
    caps = epoch_caps(sources, tokens=tokens, max_epochs=options.max_epochs)
    mixed_loss = weighted_sum([(goal[name], each.value_and_gradient) for name, each in sets.items()])
    equal = equal_array(len(names))
    best, loss = minimise(mixed_loss, equal, caps)
    gains = {name: each.losses(equal) - each.losses(best) for name, each in sets.items()}
    return Learned(
        as_shares(best, names), goal, loss, float(sum(goal[name] * gain.mean() for name, gain in gains.items())),
        _interval([gains[name] for name in goal], list(goal.values()), options.bootstrap),
        "stretches of held-out text", capped=at_caps(best, caps, names),
    )  # fmt: skip


def _interval(gains: list[FloatArray], weights: list[float], draws: int) -> tuple[float, float]:
    """95 % of the weighted mean gain over redrawn stretches of each set."""
    rng, total = np.random.default_rng(SEED), np.zeros(draws)
    for gain, weight in zip(gains, weights, strict=True):
        blocks = np.array_split(gain, min(BLOCKS, len(gain)))
        sums, sizes = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
        drawn = rng.integers(len(blocks), size=(draws, len(blocks)))
        total += weight * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return interval(total)
