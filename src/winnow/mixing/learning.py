"""What all mixers that learn have in common: options, proxies, and the goal that shares are learned for."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from winnow.errors import DataError, RecipeError, nearest
from winnow.mixing.learned import Proxy, ProxyReading
from winnow.mixing.sources import FloatArray
from winnow.recipe import Fraction, Frozen, Name, Positive, Seed, SourceRecipe, Truth, Whole


class ProxiesOptions(Frozen):
    """Options of proxies that are trained on one source each."""

    tokens_fraction: Fraction = 0.02
    """Tokens of a proxy, over those of the run."""
    match_repeats: Truth = True
    """Cut each source to the same fraction, so that a proxy repeats it as often as the run will."""


class SwarmOptions(ProxiesOptions):
    """Options of proxies at random shares."""

    tokens_fraction: Fraction = 0.05
    """Tokens of a proxy, over those of the run."""
    runs: Annotated[Whole, Field(ge=2, le=10_000)] = 16
    """How many; the first is at equal shares."""
    concentration: Positive = 1.0
    """Of the Dirichlet distribution of the others: 1 draws all shares alike, more keeps them nearer to equal."""
    seed: Seed = 0
    """Of the draw."""


class LearnedOptions(Frozen):
    """Options of every mixer that learns."""

    target: SourceRecipe | None = None
    """Text that the shares are to be good for, never an evaluation set; null for what is held out of every source."""
    goal: dict[Name, Positive] = {}
    """Held-out set (a source, or the target) -> weight of its loss per byte; empty is the target alone, without one all
    sources alike."""
    max_epochs: Positive | None = 4
    """Most times that the run may read a source; null for no limit."""
    bootstrap: Annotated[Whole, Field(ge=20, le=100_000)] = 200
    """Draws behind the interval of the predicted gain."""


def alone(sources: Sequence[str], options: ProxiesOptions) -> list[Proxy]:
    """A proxy for each source, trained on nothing else."""
    return [
        Proxy(f"alone_{name}", {name: 1.0}, options.tokens_fraction, options.match_repeats) for name in sorted(sources)
    ]


def swarm(sources: Sequence[str], options: SwarmOptions) -> list[Proxy]:
    """Proxies at equal shares, then at random ones: a larger swarm begins with the smaller one."""
    names, rng = sorted(sources), np.random.default_rng(options.seed)
    drawn = rng.dirichlet(np.full(len(names), options.concentration), size=options.runs - 1)
    shares = [np.full(len(names), 1.0 / len(names)), *drawn]
    return [
        Proxy(f"run{number:03d}", dict(zip(names, row.tolist(), strict=True)), options.tokens_fraction,
              options.match_repeats)
        for number, row in enumerate(shares)
    ]  # fmt: skip


def check_readings(readings: Sequence[ProxyReading]) -> None:
    """Raises DataError where a proxy was scored on other sets than the first, or came to nothing."""
    sets = set(readings[0].losses) if readings else set()
    for reading in readings:
        if set(reading.losses) != sets:
            raise DataError(
                f"proxy {reading.proxy.name} was scored on {', '.join(sorted(reading.losses))}, another one on "
                f"{', '.join(sorted(sets))}; make the proxies again"
            )
        for name, loss in reading.losses.items():
            if not np.isfinite(loss):
                raise DataError(
                    f"proxy {reading.proxy.name} has loss {loss} on {name}; train with a lower learning rate"
                )


def goal_of(readings: Sequence[ProxyReading], options: LearnedOptions) -> dict[str, float]:
    """Set -> its weight in the mean, 1 in all, by name: as the options weigh them, else the target alone, or all alike.

    Raises RecipeError for a set that no proxy scored.
    """
    sets = sorted(readings[0].losses)
    weights = options.goal or ({options.target.name: 1.0} if options.target else {})
    for name in weights:
        if name not in sets:
            raise RecipeError(f"the goal weighs {name!r}{nearest(name, sets)}; proxies are scored on {', '.join(sets)}")
    used = {name: float(weights[name]) for name in sets if name in weights} or dict.fromkeys(sets, 1.0)
    return {name: weight / sum(used.values()) for name, weight in used.items()}


def equal_array(count: int) -> FloatArray:
    """[sources]: equal shares."""
    return np.full(count, 1.0 / count)


def interval(draws: FloatArray) -> tuple[float, float]:
    """The middle 95 % of some draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
