"""Shares at which a law fitted to a swarm of small runs is lowest, held near a prior.

For each held-out set a law of its loss in the shares (`laws.py`); minimised is the goal's mean of the laws plus
kl x KL(w, prior), below the caps (Olmix, arXiv 2602.12237; RegMix, arXiv 2407.01492). Without the prior, the lowest
point of a law lies easily where no run was, and was seen to cost ten times what the best shares gain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from winnow.errors import RecipeError
from winnow.mixing.caps import at_caps, epoch_caps
from winnow.mixing.descent import Function, minimise, weighted_sum
from winnow.mixing.laws import Law, LawName, fit_log_linear, fit_log_shares, mde_law, num_parameters
from winnow.mixing.learned import Learned, Proxy, ProxyReading
from winnow.mixing.learning import LearnedOptions, SwarmOptions, alone, equal_array, goal_of, interval, swarm
from winnow.mixing.predictions import MixedPredictions, alone_in
from winnow.mixing.registry import mixer
from winnow.mixing.sources import FloatArray, IntArray, SourceTokens, as_array, as_shares
from winnow.recipe import Number

SEED = 0
SINGLE = 1 - 1e-9
"""A share from which a proxy is one of a single source."""


class RegressionOptions(LearnedOptions):
    """Options of `regression`."""

    proxies: SwarmOptions = SwarmOptions()
    """The runs that shares are learned from."""
    law: LawName = "log_shares"
    """What is fitted: `log_shares`, `log_linear`, or `mde`, which trains a proxy on each source alone, too."""
    kl: Annotated[Number, Field(ge=0.0, le=1e3)] = 0.08
    """What leaving the prior costs, in nats per byte of the goal for a nat of divergence. The default served best of
    two that were tried on real text: 0.2 nats per token of 2.5 bytes."""
    prior: Literal["equal", "natural"] = "equal"
    """Shares that are left only for a gain."""


def proxies(sources: Sequence[str], *, options: RegressionOptions) -> list[Proxy]:
    """The swarm. Raises RecipeError where it is smaller than what is fitted to it."""
    needed = num_parameters(options.law, len(sources))
    if options.proxies.runs < needed:
        raise RecipeError(
            f"law {options.law} fits {needed} numbers to each set of {options.proxies.runs} runs; set proxies.runs to "
            f"{needed} at least, {3 * needed} for a fit worth having, or use mixmin, which needs one run a source"
        )
    singles = alone(sources, options.proxies) if options.law == "mde" else []
    return [*swarm(sources, options.proxies), *singles]


@dataclass(frozen=True, slots=True)
class _Fits:
    """The runs of a swarm, and what is fitted to them."""

    shares: FloatArray
    """[runs, sources]."""
    losses: Mapping[str, FloatArray]
    """Set -> [runs]."""
    goal: Mapping[str, float]
    laws: Mapping[str, Law]

    def fitted(self, runs: IntArray | None = None) -> Function:
        """The goal at any shares, as some of the runs predict it."""
        used = np.arange(len(self.shares)) if runs is None else runs
        return weighted_sum([
            (weight, self.laws[name](self.shares[used], self.losses[name][used])) for name, weight in self.goal.items()
        ])  # fmt: skip


@mixer(
    "regression", summary="Shares at which a law fitted to a swarm of proxies is lowest, held near a prior.",
    options=RegressionOptions, proxies=proxies,
)  # fmt: skip
def shares(
    sources: Sequence[SourceTokens], *, tokens: int, readings: Sequence[ProxyReading], options: RegressionOptions
) -> Learned:
    """The lowest point of the fitted goal. Raises RecipeError where runs or caps leave too little."""
    names = [source.name for source in sources]
    fits = _fits(names, readings, options)
    caps = epoch_caps(sources, tokens=tokens, max_epochs=options.max_epochs)
    equal = equal_array(len(names))
    sizes = np.array([float(source.tokens) for source in sources])
    goal = fits.fitted()
    best = _lowest(goal, equal if options.prior == "equal" else sizes / sizes.sum(), caps, fits.shares, options.kl)
    return Learned(
        as_shares(best, names), fits.goal, goal(best)[0], goal(equal)[0] - goal(best)[0],
        _interval(fits, best, equal, options.bootstrap), "redrawn proxies",
        _rank_correlation(fits, num_parameters(options.law, len(names))),
        _beyond(best, fits.shares, names), at_caps(best, caps, names),
    )  # fmt: skip


def _fits(names: Sequence[str], readings: Sequence[ProxyReading], options: RegressionOptions) -> _Fits:
    """The swarm's runs, by proxy's name; those of single sources are features of `mde` alone."""
    runs = sorted((each for each in readings if not _is_single(each.proxy)), key=lambda each: each.proxy.name)
    needed = num_parameters(options.law, len(names))
    if len(runs) < needed:
        raise RecipeError(f"law {options.law} fits {needed} numbers to {len(runs)} runs; use mixmin, or train more")
    goal = goal_of(runs, options)
    if options.law == "mde":
        single = alone_in(readings, names)
        laws = {name: mde_law(MixedPredictions.of(single, name).value_and_gradient) for name in goal}
    else:
        laws = dict.fromkeys(goal, fit_log_shares if options.law == "log_shares" else fit_log_linear)
    shares = np.array([as_array(run.proxy.shares, names) for run in runs])
    return _Fits(shares, {name: np.array([run.losses[name] for run in runs]) for name in goal}, goal, laws)


def _is_single(proxy: Proxy) -> bool:
    return max(proxy.shares.values()) >= SINGLE


def _lowest(goal: Function, prior: FloatArray, caps: FloatArray, runs: FloatArray, kl: float) -> FloatArray:
    """The lowest point that is reached from the prior or near a run: not every law is convex."""
    starts = [prior, *(0.9 * run + 0.1 * prior for run in runs)]
    reached = [minimise(goal, prior, caps, kl=kl, start=start) for start in starts]
    return min(reached, key=lambda each: round(each[1], 9))[0]


def _interval(fits: _Fits, best: FloatArray, equal: FloatArray, draws: int) -> tuple[float, float]:
    """95 % of the gain of these shares over equal ones, as redrawn runs predict it."""
    rng, count = np.random.default_rng(SEED), len(fits.shares)
    goals = (fits.fitted(rng.integers(count, size=count)) for _ in range(draws))
    return interval(np.array([goal(equal)[0] - goal(best)[0] for goal in goals]))


def _rank_correlation(fits: _Fits, needed: int) -> float | None:
    """Spearman's, of each run's goal as the others predict it with what it was; None where they are too few."""
    count = len(fits.shares)
    if count - 1 < max(needed, 3):
        return None
    others = [np.delete(np.arange(count), left_out) for left_out in range(count)]
    predicted = [fits.fitted(runs)(fits.shares[left_out])[0] for left_out, runs in enumerate(others)]
    measured = sum(weight * fits.losses[name] for name, weight in fits.goal.items())
    one, other = (np.argsort(np.argsort(values)).astype(np.float64) for values in (predicted, measured))
    return float(np.corrcoef(one, other)[0, 1])


def _beyond(best: FloatArray, runs: FloatArray, names: Sequence[str]) -> tuple[str, ...]:
    outside = (best <= runs.min(axis=0)) | (best >= runs.max(axis=0))
    return tuple(name for name, is_outside in zip(names, outside, strict=True) if is_outside)
