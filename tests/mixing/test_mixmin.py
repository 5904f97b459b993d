"""Shares from one proxy a source: golden test M8, and a grid of mixed predictions."""

import numpy as np
import pytest

from mixing.worlds import BYTES, Unigrams, learned, simplex_grid, slopes_by_differences, sources_of
from winnow.errors import DataError, RecipeError
from winnow.mixing.learned import Proxy, ProxyReading
from winnow.mixing.predictions import MixedPredictions, alone_in

NAMES = ["A", "B", "C"]


@pytest.fixture(scope="module")
def world():
    return Unigrams(NAMES, seed=3)


def readings(world, sets):
    return lambda proxy: world.reading(proxy, sets)


def test_m8_a_planted_mixture_is_read_off(world):
    sets = {"target": world.text({"A": 0.6, "B": 0.4}, 60_000)}
    result = learned("mixmin", sources_of(NAMES), readings(world, sets))
    assert [result.shares[name] for name in NAMES] == pytest.approx([0.6, 0.4, 0], abs=0.01)
    assert result.goal == {"target": 1.0} and result.capped == () and result.rank_correlation is None


def grid_loss(world, sets, weights, grid):
    logs = {name: np.log(grid @ world.tokens_of)[:, tokens].mean(axis=1) for name, tokens in sets.items()}
    return -sum(weights[name] * row for name, row in logs.items()) / BYTES


@pytest.mark.parametrize("goal", [{}, {"one": 3, "other": 1}, {"other": 2}])
def test_it_is_the_lowest_of_a_grid(world, goal):
    sets = {"one": world.text({"A": 0.2, "C": 0.8}, 4000), "other": world.text({"B": 1}, 1000)}
    result = learned("mixmin", sources_of(NAMES), readings(world, sets), goal=goal)
    total = sum((goal or {"one": 1, "other": 1}).values())
    weights = {name: (goal or {"one": 1, "other": 1}).get(name, 0) / total for name in sets}
    grid = simplex_grid(3, 100)
    losses = grid_loss(world, sets, weights, grid)
    assert [result.shares[name] for name in NAMES] == pytest.approx(grid[losses.argmin()], abs=0.011)
    assert losses.min() - 1e-4 < result.predicted_loss <= losses.min() + 1e-7
    equal = grid_loss(world, sets, weights, np.full((1, 3), 1 / 3))[0]
    assert result.predicted_gain == pytest.approx(equal - result.predicted_loss)


def test_no_source_is_read_more_often_than_allowed(world):
    sets = {"target": world.text({"A": 0.6, "B": 0.4}, 5000)}
    sources = sources_of(NAMES, [1000, 50_000, 50_000])
    result = learned("mixmin", sources, readings(world, sets), tokens=20_000, max_epochs=4)
    assert result.shares["A"] == pytest.approx(0.2) and result.capped == ("A",)
    assert "A: held to the most epochs allowed" in result.sentences
    grid = simplex_grid(3, 100)
    grid = grid[grid[:, 0] <= 0.2 + 1e-9]
    best = grid[grid_loss(world, sets, {"target": 1}, grid).argmin()]
    assert [result.shares[name] for name in NAMES] == pytest.approx(best, abs=0.011)
    with pytest.raises(RecipeError, match="the run wants 500,000 tokens, but 4 epochs of the 101,000 unique tokens"):
        learned("mixmin", sources, readings(world, sets), tokens=500_000)


def test_towards_the_mean_of_all_sources_nothing_is_promised(world):
    sets = {name: world.text({name: 1}, 4000) for name in NAMES}
    result = learned("mixmin", sources_of(NAMES), readings(world, sets))
    assert result.predicted_gain < 0.01 and list(result.shares.values()) == pytest.approx([1 / 3] * 3, abs=0.08)
    same = {"a": sets["A"], "b": sets["A"]}
    gained = learned("mixmin", sources_of(NAMES), readings(world, same))
    assert gained.gain_interval[0] > 0 and gained.sentences == ()


def test_an_interval_that_holds_zero_is_told():
    """Sources alike: whatever the shares, nothing is gained."""
    world = Unigrams(NAMES)
    world.tokens_of[1:] = world.tokens_of[0] * (1 + 0.02 * world.rng.normal(size=(2, 50)))
    world.tokens_of /= world.tokens_of.sum(axis=1, keepdims=True)
    result = learned("mixmin", sources_of(NAMES), readings(world, {"t": world.text({"A": 1}, 300)}))
    assert result.gain_interval[0] <= 0 <= result.gain_interval[1]
    assert result.sentences[0].startswith("no gain over equal shares is predicted: +0.00")


def test_the_interval_covers_fresh_text_about_as_often_as_it_says(world):
    covered = 0
    for _ in range(40):
        result = learned("mixmin", sources_of(NAMES), readings(world, {"t": world.text({"A": 0.7, "B": 0.3}, 600)}))
        best = np.array([list(result.shares.values()), [1 / 3] * 3])
        expected = np.array([0.7, 0.3, 0]) @ world.tokens_of
        fresh = np.diff(np.log(best @ world.tokens_of) @ expected)[0] / -BYTES
        covered += result.gain_interval[0] <= fresh <= result.gain_interval[1]
    assert 32 <= covered <= 40


def test_the_gradient_is_that_of_the_loss(world):
    sets = {"t": world.text({"A": 0.5, "C": 0.5}, 400)}
    alone = [world.reading(Proxy(name, {name: 1.0}, 0.1), sets) for name in NAMES]
    mixed, at = MixedPredictions.of(alone, "t"), np.array([0.2, 0.5, 0.3])
    value, gradient = mixed.value_and_gradient(at)
    assert gradient == pytest.approx(slopes_by_differences(mixed.value_and_gradient, at), rel=1e-5)
    assert value == pytest.approx(grid_loss(world, sets, {"t": 1}, at[None])[0])
    assert mixed.losses(at).mean() == pytest.approx(value)


def test_proxies_that_are_missing_or_of_other_text_are_told():
    world = Unigrams(NAMES)
    alone = [world.reading(Proxy(name, {name: 1.0}, 0.1), {"t": world.text({"A": 1}, 9)}) for name in NAMES]
    with pytest.raises(DataError, match="no proxy was trained on B alone and kept its predictions"):
        alone_in([alone[0], alone[2]], NAMES)
    short = ProxyReading(alone[1].proxy, alone[1].losses, {"t": alone[1].log_probabilities["t"][:5]})
    with pytest.raises(DataError, match=r"proxies scored \[9, 5, 9\] targets of t; make them again"):
        MixedPredictions.of([alone[0], short, alone[2]], "t")


def test_a_goal_of_a_set_that_no_proxy_scored_names_the_nearest():
    world = Unigrams(NAMES)
    sets = {"papers": world.text({"A": 1}, 20)}
    with pytest.raises(RecipeError, match=r"the goal weighs 'paper' \(did you mean 'papers'\?\); proxies are scored"):
        learned("mixmin", sources_of(NAMES), readings(world, sets), goal={"paper": 1})
