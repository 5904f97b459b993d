"""The lowest point of convex functions of shares, against a grid."""

import numpy as np
import pytest

from mixing.worlds import simplex_grid
from winnow.mixing.descent import TOLERANCE, divergence, lowest, minimise

FREE = np.full(3, np.inf)


def quadratic(matrix, aim):
    return lambda at: (float((at - aim) @ matrix @ (at - aim)), 2 * matrix @ (at - aim))


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_lowest_of_a_grid(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3))
    function = quadratic(root @ root.T + 0.1 * np.eye(3), rng.dirichlet(np.ones(3)) + rng.normal(0, 0.3, 3))
    caps = FREE if seed % 2 else np.array([0.5, 0.45, 0.6])
    shares, value = minimise(function, np.full(3, 1 / 3), caps)
    grid = simplex_grid(3, 100)
    grid = grid[(grid <= caps + 1e-9).all(axis=1)]
    values = np.array([function(row)[0] for row in grid])
    assert value <= values.min() + TOLERANCE and (shares <= caps + 1e-9).all() and shares.sum() == pytest.approx(1)
    assert value == function(shares)[0] == pytest.approx(values.min(), abs=0.02)


def test_a_minimum_inside_is_met_exactly():
    aim = np.array([0.2, 0.5, 0.3])
    shares, value = minimise(quadratic(np.eye(3), aim), np.full(3, 1 / 3), FREE)
    assert shares == pytest.approx(aim, abs=1e-3) and value == pytest.approx(0, abs=TOLERANCE)


@pytest.mark.parametrize("kl", [0.01, 1.0, 1000.0])
def test_a_prior_is_weighed_against_the_function(kl):
    prior, caps = np.array([0.1, 0.3, 0.6]), np.array([0.5, 0.5, 0.5])
    function = quadratic(np.eye(3), np.array([0.9, 0.2, -0.1]))
    shares, value = minimise(function, prior, caps, kl=kl, start=np.array([0.4, 0.5, 0.1]))
    grid = simplex_grid(3, 100)
    grid = grid[(grid <= 0.5).all(axis=1) & (grid > 0).all(axis=1)]
    values = np.array([function(row)[0] + kl * divergence(row, prior) for row in grid])
    assert value <= values.min() + TOLERANCE and shares == pytest.approx(grid[values.argmin()], abs=0.011)
    assert value == pytest.approx(function(shares)[0] + kl * divergence(shares, prior))


def test_the_lowest_on_a_tangent_fills_the_cheapest_sources_first():
    gradient = np.array([3.0, -1.0, 2.0])
    for caps in (FREE, np.array([1, 0.4, 0.3]), np.array([0.9, 0.05, 0.05])):
        grid = simplex_grid(3, 20)
        inside = grid[(grid <= caps + 1e-9).all(axis=1)]
        assert lowest(gradient, caps) == pytest.approx((inside @ gradient).min())


def test_divergence_is_zero_at_the_prior_and_infinite_nowhere_needed():
    prior = np.array([0.5, 0.25, 0.25])
    assert divergence(prior, prior) == 0
    assert divergence(np.array([1.0, 0, 0]), prior) == pytest.approx(np.log(2))
