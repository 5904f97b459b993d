"""Laws fitted to a swarm, and the shares they lead to: golden test M9, grids, refits by brute force."""

import numpy as np
import pytest

from mixing.worlds import Unigrams, learned, simplex_grid, slopes_by_differences, sources_of
from winnow.errors import RecipeError
from winnow.mixing import laws
from winnow.mixing.laws import fit_log_linear, fit_log_shares, mde_law
from winnow.mixing.learned import Proxy, ProxyReading
from winnow.mixing.registry import check, find_mixer
from winnow.mixing.sources import as_array

NAMES = ["A", "B", "C"]
OFFSETS = np.array([1.0, 0.8, 1.1])
SLOPES = np.array([[-1.6, 0.4, 0.2], [0.3, -1.5, 0.1], [0.2, 0.3, -1.2]])
"""Of three sets: each likes a source of its own."""


def law_loss(shares):
    return OFFSETS + np.exp(SLOPES @ as_array(shares, NAMES))


def planted(noise=0.002, seed=0):
    rng = np.random.default_rng(seed)

    def reading(proxy):
        losses = law_loss(proxy.shares) + noise * rng.standard_normal(3)
        return ProxyReading(proxy, dict(zip(["a", "b", "c"], losses.tolist(), strict=True)))

    return reading


GRID = simplex_grid(3, 100)
TRUTH = np.array([law_loss(dict(zip(NAMES, row, strict=True))).mean() for row in GRID])
OPEN = {"kl": 0.0, "max_epochs": None, "bootstrap": 20}


@pytest.mark.parametrize("seed", range(4))
def test_m9_the_optimum_of_a_known_law_is_met(seed):
    options = OPEN | {"law": "log_linear", "proxies": {"runs": 16, "seed": seed}}
    result = learned("regression", sources_of(NAMES), planted(seed=seed), **options)
    assert list(result.shares.values()) == pytest.approx(GRID[TRUTH.argmin()], abs=0.03)
    assert result.rank_correlation > 0.97 and result.beyond_proxies == ()
    low, high = result.gain_interval
    assert low <= result.predicted_gain <= high


@pytest.mark.parametrize("law", ["log_linear", "log_shares"])
@pytest.mark.parametrize("kl", [0.0, 0.08, 1.0])
def test_m9_the_solution_is_that_of_a_grid(law, kl):
    """Of the fitted law itself, with the prior and with a cap on A."""
    sources = sources_of(NAMES, [30, 100, 100])
    options = OPEN | {"law": law, "kl": kl, "max_epochs": 1, "prior": "natural"}
    runs = find_mixer("regression").proxies(NAMES, options=check("regression", options))
    reading = planted()
    readings = [reading(run) for run in runs]
    result = find_mixer("regression").shares(
        sources, tokens=100, readings=readings, options=check("regression", options)
    )
    shares = np.array([as_array(run.shares, NAMES) for run in runs])
    fit = fit_log_linear if law == "log_linear" else fit_log_shares
    fitted = [fit(shares, np.array([each.losses[name] for each in readings])) for name in "abc"]
    prior = np.array([30, 100, 100]) / 230

    def held(row):
        inside = row > 0
        distance = (row[inside] * np.log(row[inside] / prior[inside])).sum()
        return np.mean([one(row)[0] for one in fitted]) + kl * distance

    inside = GRID[GRID[:, 0] <= 0.3]
    values = np.array([held(row) for row in inside])
    best = np.array(list(result.shares.values()))
    assert held(best) <= values.min() + 1e-6 and best == pytest.approx(inside[values.argmin()], abs=0.015)
    assert ("A" in result.capped) == (best[0] > 0.3 - 1e-6)


def test_a_prior_that_costs_everything_is_kept_to():
    for prior, shares in (("equal", [1 / 3] * 3), ("natural", [0.1, 0.4, 0.5])):
        sources = sources_of(NAMES, [100, 400, 500])
        result = learned("regression", sources, planted(), tokens=10, **OPEN | {"kl": 1000.0, "prior": prior})
        assert list(result.shares.values()) == pytest.approx(shares, abs=0.002)


def test_an_unheld_optimum_on_the_edge_of_the_swarm_is_told():
    def rising(proxy):
        return ProxyReading(proxy, {"a": 2.0 - proxy.shares["A"] + 0.1 * proxy.shares["B"]})

    result = learned("regression", sources_of(NAMES), rising, **OPEN | {"law": "log_linear"})
    assert result.shares["A"] > 0.99 and "A" in result.beyond_proxies
    assert "lie at or beyond the edge of the proxies' shares; the prediction extrapolates there" in result.sentences[0]
    held = learned("regression", sources_of(NAMES), rising, **OPEN | {"law": "log_linear", "kl": 1.0})
    assert held.beyond_proxies == () and held.shares["A"] < 0.8


@pytest.mark.parametrize(("law", "needed"), [("log_shares", 4), ("log_linear", 4), ("mde", 2)])
def test_fewer_runs_than_numbers_to_fit_are_refused_and_mixmin_named(law, needed):
    mixer = find_mixer("regression")
    enough = check("regression", {"law": law, "proxies": {"runs": needed}})
    proxies = mixer.proxies(NAMES, options=enough)
    assert len(proxies) == needed + (3 if law == "mde" else 0)
    if needed > 2:
        few = check("regression", {"law": law, "proxies": {"runs": needed - 1}})
        line = (
            f"law {law} fits {needed} numbers to each set of {needed - 1} runs; set proxies.runs to {needed} at least"
        )
        with pytest.raises(RecipeError, match=f"{line}, .* or use mixmin, which needs one run a source"):
            mixer.proxies(NAMES, options=few)
    with pytest.raises(RecipeError, match=f"fits {needed} numbers to 1 runs; use mixmin"):
        mixer.shares(sources_of(NAMES), tokens=10, readings=[planted()(proxies[0])], options=enough)


def test_mixed_predictions_as_a_feature_read_off_a_planted_mixture():
    world = Unigrams(NAMES, seed=5)
    sets = {"t": world.text({"A": 0.6, "B": 0.4}, 20_000)}
    result = learned("regression", sources_of(NAMES), lambda proxy: world.reading(proxy, sets), **OPEN | {"law": "mde"})
    assert list(result.shares.values()) == pytest.approx([0.6, 0.4, 0], abs=0.02)
    assert result.rank_correlation == pytest.approx(1)


def test_a_larger_swarm_begins_with_the_smaller_one_and_with_equal_shares():
    def swarm(**options):
        return find_mixer("regression").proxies(NAMES, options=check("regression", {"proxies": options}))

    small, large, other = swarm(runs=6), swarm(runs=20), swarm(runs=6, seed=1)
    assert large[:6] == small != other and list(small[0].shares.values()) == pytest.approx([1 / 3] * 3)
    near = np.array([list(each.shares.values()) for each in swarm(runs=20, concentration=50)])
    assert near.std() < np.array([list(each.shares.values()) for each in large]).std() / 3


@pytest.fixture
def runs():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=14)
    losses = 2 - 0.3 * np.log(shares + 0.02) @ [0.5, 0.3, 0.2] + 0.01 * rng.standard_normal(14)
    return shares, losses


def test_the_gradient_of_every_law_is_that_of_its_value(runs):
    world = Unigrams(NAMES)
    alone = [world.reading(Proxy(name, {name: 1.0}, 1.0), {"t": world.text({"A": 1}, 90)}) for name in NAMES]
    mixed = laws_of_mde(alone)
    for fit in (fit_log_shares, fit_log_linear, mixed):
        fitted, at = fit(*runs), np.array([0.2, 0.5, 0.3])
        assert fitted(at)[1] == pytest.approx(slopes_by_differences(fitted, at), rel=1e-4, abs=1e-8)


def laws_of_mde(alone):
    from winnow.mixing.predictions import MixedPredictions

    return mde_law(MixedPredictions.of(alone, "t").value_and_gradient)


def test_the_penalty_is_the_one_that_leaves_out_best(runs, monkeypatch):
    """Each penalty by brute force: refit without each run."""
    shares, losses = runs
    features = np.log(shares + laws.FLOOR)

    def brute(ridge):
        scale = (np.linalg.svd(features - features.mean(axis=0))[1] ** 2).mean()
        design = np.column_stack([np.ones(len(losses)), features - features.mean(axis=0)])
        penalty = np.diag([0.0, 1, 1, 1]) * ridge * scale
        errors, at = [], np.array([0.2, 0.5, 0.3])
        for left_out in range(len(losses)):
            rest = np.arange(len(losses)) != left_out
            weights = np.linalg.solve(design[rest].T @ design[rest] + penalty, design[rest].T @ losses[rest])
            errors.append((design[left_out] @ weights - losses[left_out]) ** 2)
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ losses)
        return sum(errors), weights @ np.r_[1, np.log(at + laws.FLOOR) - features.mean(axis=0)]

    found = {ridge: brute(ridge) for ridge in laws.RIDGES}
    expected = found[min(found, key=lambda ridge: found[ridge][0])][1]
    assert fit_log_shares(shares, losses)(np.array([0.2, 0.5, 0.3]))[0] == pytest.approx(expected, abs=1e-6)


def test_log_linear_finds_what_losses_were_made_from():
    rng = np.random.default_rng(2)
    for _ in range(10):
        offset, slopes = rng.random() * 3, rng.normal(0, 1.5, 4)
        shares = rng.dirichlet(np.ones(4), size=20)
        fit = fit_log_linear(shares, offset + np.exp(shares @ slopes))
        assert fit.offset == pytest.approx(offset, abs=0.02) and fit.slopes == pytest.approx(slopes, abs=0.05)


def test_a_law_with_a_worse_feature_promises_nothing():
    """Where the loss falls as the feature rises, mixed predictions know nothing: a slope of 0, not below."""
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=9)
    fitted = mde_law(lambda at: (float(at[0]), np.array([1.0, 0, 0])))(shares, 2 - shares[:, 0])
    assert fitted(np.array([0.9, 0.1, 0]))[0] == pytest.approx((2 - shares[:, 0]).mean())
    assert (fitted(shares[0])[1] == 0).all()
