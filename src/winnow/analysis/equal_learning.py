"""What two arms forget by the time that they have learnt the same, each along its own curve.

    way = Way(learned=(0.0, 0.9, 1.4), forgotten=(0.0, 0.2, 0.5))     # nats, at the evaluations on the way
    forgotten_at(way, 1.15)                                           # 0.35

At equal steps the arm that moved further forgets more, whatever its method. So of each seed that is taken which both
arms had learnt at some point, the lower of their two best, and what each had forgotten when it first came there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from winnow.analysis.statistics import mean_interval
from winnow.findings import Estimate

DOES_NOT_REACH = "does not reach"


@dataclass(frozen=True, slots=True)
class Way:
    """A run's evaluations, in the order in which they were made."""

    learned: tuple[float, ...]
    """How far the loss on the target lies below that before training, nats per target token."""
    forgotten: tuple[float, ...]
    """How far the model has moved from the one that it started from, nats per token of that one's own texts."""


@dataclass(frozen=True, slots=True)
class AtEqualLearning:
    """Two arms at what both had learnt, seed by seed."""

    levels: dict[int, float]
    ours: dict[int, float]
    theirs: dict[int, float]
    never: tuple[int, ...]
    """Seeds of which one arm learnt nothing, so that there is no such level."""

    def difference(self, confidence: float, *, num_comparisons: int) -> Estimate | None:
        """What we forgot beyond what they did, over seeds; None where some seed has no level."""
        if self.never:
            return None
        found = [self.ours[seed] - self.theirs[seed] for seed in self.levels]
        return mean_interval(found, confidence, num_comparisons=num_comparisons)


def forgotten_at(way: Way, level: float) -> float | None:
    """What a run had forgotten when it had first learnt so much, interpolated; None where it never had.

    Interpolated linearly in what is learnt between the evaluation that reaches the level and the one before.
    """
    places = range(len(way.learned))
    at = next((place for place in places if way.learned[place] >= level), None)
    if at is None or at == 0:
        return None if at is None else way.forgotten[0]
    before, after = way.learned[at - 1], way.learned[at]
    share = (level - before) / (after - before)
    return way.forgotten[at - 1] + share * (way.forgotten[at] - way.forgotten[at - 1])


def at_equal_learning(ours: Mapping[int, Way], theirs: Mapping[int, Way]) -> AtEqualLearning:
    """Two arms by the seeds that both have, each at the lower of the two runs' best."""
    levels, found, never = dict[int, float](), dict[int, tuple[float, float]](), list[int]()
    for seed in sorted(ours.keys() & theirs.keys()):
        level = min(max(way.learned) for way in (ours[seed], theirs[seed]))
        both = forgotten_at(ours[seed], level), forgotten_at(theirs[seed], level)
        if level <= 0 or both[0] is None or both[1] is None:
            never.append(seed)
            continue
        levels[seed], found[seed] = level, (both[0], both[1])
    return AtEqualLearning(
        levels, {seed: pair[0] for seed, pair in found.items()}, {seed: pair[1] for seed, pair in found.items()},
        tuple(never),
    )  # fmt: skip


def verdict_at_equal_learning(found: AtEqualLearning, difference: Estimate | None) -> str:
    """`forgets less`, `forgets more`, `no difference shown`, `too few seeds` or `does not reach`."""
    if found.never:
        return DOES_NOT_REACH
    if difference is None or difference.low is None or difference.high is None:
        return "too few seeds"
    if difference.low > 0:
        return "forgets more"
    return "forgets less" if difference.high < 0 else "no difference shown"
