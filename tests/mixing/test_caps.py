"""Caps by water-filling, against a search for the level; golden test M6."""

import numpy as np
import pytest

from winnow.errors import RecipeError
from winnow.mixing.caps import capped_shares, epoch_caps, water_fill
from winnow.mixing.registry import check, find_mixer
from winnow.mixing.sources import SourceTokens


def sources_of(**tokens):
    return [SourceTokens(name, size, 1, size) for name, size in tokens.items()]


M6 = sources_of(small=100, middle=1000, large=10_000)


def mixed(name, sources, tokens, **options):
    return find_mixer(name).shares(sources, tokens=tokens, options=check(name, options))


def test_m6_what_is_cut_from_a_small_source_goes_to_the_others():
    assert epoch_caps(M6, tokens=3000, max_epochs=2) == pytest.approx([0.0667, 0.667, 6.67], rel=1e-3)
    found = mixed("unimax", M6, 3000, max_epochs=2)
    assert list(found.values()) == pytest.approx([0.0667, 0.4667, 0.4667], abs=1e-4)


def level_by_bisection(shares, caps):
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(caps, middle * shares).sum() < 1 else (low, middle)
    return np.minimum(caps, high * shares)


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_level_at_which_shares_sum_to_one(seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(rng.integers(1, 8), rng.choice([0.1, 1.0])))
    if len(shares) > 2 and seed % 3 == 0:
        shares[1] = 0
    caps = rng.random(len(shares)) * rng.choice([0.5, 3])
    if caps[shares > 0].sum() < 1:
        caps /= caps[shares > 0].sum()
    found = water_fill(shares, caps)
    assert found == pytest.approx(level_by_bisection(shares, caps), abs=1e-7)
    assert found.sum() == pytest.approx(1) and (found <= caps + 1e-12).all()


def test_it_is_the_nearest_point_that_keeps_the_caps():
    """Of a fine grid, by Kullback-Leibler divergence."""
    shares, caps = np.array([0.6, 0.3, 0.1]), np.array([0.35, 0.5, 1.0])
    found = water_fill(shares, caps)
    grid = np.array([[i, j, 200 - i - j] for i in range(1, 200) for j in range(1, 200 - i)]) / 200
    inside = grid[(grid <= caps + 1e-12).all(axis=1)]
    distances = (inside * np.log(inside / shares)).sum(axis=1)
    assert found == pytest.approx(inside[distances.argmin()], abs=0.006)
    assert (found * np.log(found / shares)).sum() <= distances.min() + 1e-9


def test_caps_that_cannot_be_met_are_one_line_with_the_tokens():
    line = (
        r"wants 50,000 tokens, but 4 epochs of the 11,100 unique tokens of small, middle, large are 44,400; raise "
        r"max_epochs to 5, lower the budget or add text"
    )
    with pytest.raises(RecipeError, match=line):
        mixed("unimax", M6, 50_000)
    with pytest.raises(RecipeError, match=r"2 epochs of the 100 unique tokens of small are 200; raise max_epochs"):
        capped_shares({"small": 1.0}, M6, tokens=3000, max_epochs=2)
    assert sum(mixed("unimax", M6, 44_400).values()) == pytest.approx(1)


def test_temperature_lies_between_natural_and_equal():
    natural, equal = mixed("natural", M6, 3000), mixed("equal", M6, 3000)
    assert mixed("temperature", M6, 3000, temperature=1) == pytest.approx(natural)
    assert mixed("temperature", M6, 3000, temperature=1e6) == pytest.approx(equal, abs=1e-5)
    roots = np.sqrt([100, 1000, 10_000])
    assert list(mixed("temperature", M6, 3000).values()) == pytest.approx(roots / roots.sum())
    held = mixed("temperature", M6, 3000, max_epochs=1)
    assert held["small"] == pytest.approx(100 / 3000) and held["large"] / held["middle"] == pytest.approx(10**0.5)
