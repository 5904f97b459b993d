"""Forgetting at equal learning on curves that are known, and how often two names of one arm are told apart."""

import numpy as np
import pytest

from winnow.analysis.equal_learning import (
    DOES_NOT_REACH,
    Way,
    at_equal_learning,
    forgotten_at,
    verdict_at_equal_learning,
)
from winnow.analysis.learning_forgetting import PER_ARM, TRADES
from winnow.analysis.pareto import words
from winnow.analysis.statistics import mean_interval


def parabola(factor, best, points=41):
    """An arm that forgets factor x L^2 by the time that it has learnt L."""
    learned = np.linspace(0, best, points)
    return Way(tuple(learned), tuple(factor * learned**2))


def test_two_parabolas_differ_by_their_factors_at_the_lower_best():
    ours, theirs = parabola(0.5, 2.0), parabola(0.2, 1.5, points=4)
    found = at_equal_learning({0: ours, 1: ours}, {0: theirs, 1: theirs})
    assert found.levels == {0: 1.5, 1: 1.5}
    assert found.ours[0] == pytest.approx(0.5 * 1.5**2) and found.theirs[0] == pytest.approx(0.2 * 1.5**2)
    assert found.difference(0.95, num_comparisons=1).mean == pytest.approx(0.3 * 1.5**2)
    assert verdict_at_equal_learning(found, found.difference(0.95, num_comparisons=1)) == "forgets more"


def test_between_evaluations_it_is_interpolated_and_the_first_time_counts():
    way = Way((0.0, 0.9, 1.4, 1.2, 1.6), (0.0, 0.2, 0.5, 0.9, 1.3))
    assert forgotten_at(way, 0.9) == pytest.approx(0.2)
    assert forgotten_at(way, 1.15) == pytest.approx(0.35)
    assert forgotten_at(way, 1.4) == pytest.approx(0.5), "and not what it forgot before it came there again"
    assert forgotten_at(way, 1.5) == pytest.approx(0.9 + 0.75 * 0.4)
    assert forgotten_at(way, 0.0) == 0.0 and forgotten_at(way, 1.7) is None


def test_an_arm_that_learns_nothing_does_not_reach():
    nothing = Way((0.0, -0.1, -0.3), (0.0, 0.1, 0.4))
    found = at_equal_learning({0: nothing, 1: parabola(1, 1)}, {0: parabola(1, 1), 1: parabola(1, 1)})
    assert found.never == (0,) and found.difference(0.95, num_comparisons=1) is None
    assert verdict_at_equal_learning(found, None) == DOES_NOT_REACH


def test_one_seed_claims_nothing():
    found = at_equal_learning({0: parabola(2, 1)}, {0: parabola(1, 1)})
    assert verdict_at_equal_learning(found, found.difference(0.95, num_comparisons=1)) == "too few seeds"


def run_of(rng, factor, best):
    """A run with the noise of seeds: on what it learns, on what it forgets, and on each evaluation."""
    steps = np.arange(9)
    end, own = best + 0.02 * rng.standard_normal(), factor * np.exp(0.05 * rng.standard_normal())
    learned = end * (1 - np.exp(-steps / 2)) + np.where(steps > 0, 0.01 * rng.standard_normal(9), 0)
    forgotten = own * learned**2 + np.where(steps > 0, 0.01 * rng.standard_normal(9), 0)
    return Way(tuple(learned), tuple(forgotten))


def claims(rng, arms, baseline, *, seeds=3):
    """What the two tables say of each arm of a simulated study."""
    ways = {name: {seed: run_of(rng, *of) for seed in range(seeds)} for name, of in (arms | {"base": baseline}).items()}
    num = PER_ARM * len(arms)
    for name in arms:
        ends = [(ways[name][seed], ways["base"][seed]) for seed in range(seeds)]
        more = mean_interval([a.learned[-1] - b.learned[-1] for a, b in ends], num_comparisons=num)
        less = mean_interval([a.forgotten[-1] - b.forgotten[-1] for a, b in ends], num_comparisons=num)
        equal = at_equal_learning(ways[name], ways["base"])
        yield (
            words(more, less, trade=TRADES),
            verdict_at_equal_learning(equal, equal.difference(0.95, num_comparisons=num)),
        )


CLAIMS = {*TRADES, "dominates", "is dominated", "forgets more", "forgets less"}


@pytest.mark.parametrize("num_arms", [1, 4])
def test_names_of_one_arm_are_told_apart_in_at_most_one_study_of_twenty(num_arms):
    rng, arm = np.random.default_rng(0), (0.3, 2.0)
    arms = {f"name{number}": arm for number in range(num_arms)}
    claimed = [any(word in CLAIMS for told in claims(rng, arms, arm) for word in told) for _ in range(200)]
    assert sum(claimed) <= 10


def test_arms_as_different_as_a_low_rank_and_full_training_are_told_apart():
    rng = np.random.default_rng(1)
    told = [next(claims(rng, {"r4": (0.15, 1.6)}, (0.3, 2.0))) for _ in range(50)]
    assert sum(words == TRADES[0] and at_equal == "forgets less" for words, at_equal in told) > 40
    told = [next(claims(rng, {"r4": (0.5, 1.6)}, (0.2, 2.0))) for _ in range(50)]
    assert sum(words == "is dominated" and at_equal == "forgets more" for words, at_equal in told) > 40
