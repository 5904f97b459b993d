"""Selectors that spread: leverage, log_det, k_centre, facility_location, against brute force."""

from itertools import combinations

import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.selection import facility_location as facility
from winnow.selection.features import fit_fourier_features, median_bandwidth
from winnow.selection.leverage import leverage_scores
from winnow.selection.views import PoolView, Seen


def clusters(size, dimensions=6, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((6, dimensions))
    return (centres[rng.integers(0, 6, size)] + rng.standard_normal((size, dimensions))).astype(np.float32)


def features_of(points, features=64):
    return fit_fourier_features(points, features=features, seed=1).apply(points)


def choose(name, size, **seen_and_options):
    options = {key: value for key, value in seen_and_options.items() if key not in ("vectors", "features")}
    rows = {key: value for key, value in seen_and_options.items() if key in ("vectors", "features")}
    count = len(next(iter(rows.values())))
    pool = PoolView([f"{row:06d}" for row in range(count)], np.full(count, "a"), np.ones(count, dtype=int))
    return chosen_rows(name, pool, size=size, seen=Seen(**rows), options=options).tolist()


def gaussian_kernel(points):
    gaps = np.square(points[:, None].astype(np.float64) - points).sum(axis=2)
    return np.exp(-gaps / (2 * median_bandwidth(points, np.random.default_rng(0)) ** 2))


def test_leverage_scores_are_the_hat_matrix_and_sum_to_the_effective_dimension():
    rows = features_of(clusters(300)) * np.linspace(0.5, 2, 300, dtype=np.float32)[:, None]
    gram = rows.T.astype(np.float64) @ rows
    penalty = 0.01 * np.trace(gram)
    scores = leverage_scores(rows, ridge=0.01)
    hat = rows @ np.linalg.inv(gram + penalty * np.eye(64)) @ rows.T
    np.testing.assert_allclose(scores, np.diag(hat), rtol=1e-6)
    values = np.linalg.eigvalsh(gram)
    assert scores.sum() == pytest.approx((values / (values + penalty)).sum(), rel=1e-8)


def test_leverage_puts_a_direction_of_its_own_first():
    rows = np.repeat(np.eye(4, dtype=np.float32), [50, 30, 1, 19], axis=0)
    order = choose("leverage", 100, features=rows)
    assert order[0] == 80
    assert set(order[1:20]) == set(range(81, 100))
    assert order[1:20] == sorted(order[1:20])


@pytest.mark.parametrize("ridge", [0.01, 1.0])
@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_log_det_is_the_greedy_maximum_of_the_determinant(ridge, scale):
    rows = scale * features_of(clusters(60), 32) * np.linspace(0.5, 1, 60, dtype=np.float32)[:, None]
    chosen, penalty = [], ridge * np.square(rows).sum(axis=1).max()
    for _ in range(40):
        left = [row for row in range(60) if row not in chosen]
        sets = [rows[[*chosen, row]].astype(np.float64) for row in left]
        determinants = [np.linalg.slogdet(penalty * np.eye(len(s)) + s @ s.T)[1] for s in sets]
        chosen.append(left[int(np.argmax(np.round(determinants, 10)))])
    assert choose("log_det", 40, features=rows, ridge=ridge) == chosen


def test_log_det_and_k_centre_take_one_of_each_pair_first():
    points = clusters(40, dimensions=20)
    twice = np.repeat(points, 2, axis=0)
    for name, seen in (("log_det", {"features": features_of(twice, 512)}), ("k_centre", {"vectors": twice})):
        first = choose(name, 40, **seen)
        assert sorted(first) == list(range(0, 80, 2)), name


def test_k_centre_is_the_farthest_first_traversal():
    points = clusters(200)
    exact = points.astype(np.float64)
    chosen = [int(np.square(exact - exact.mean(axis=0)).sum(axis=1).argmin())]
    for _ in range(79):
        gaps = np.square(exact[:, None] - exact[chosen]).sum(axis=2).min(axis=1)
        gaps[chosen] = -1
        chosen.append(int(gaps.argmax()))
    assert choose("k_centre", 80, vectors=points) == chosen


def test_k_centre_covers_within_twice_the_best_radius():
    points = clusters(16, dimensions=3)
    gaps = np.sqrt(np.square(points[:, None].astype(np.float64) - points).sum(axis=2))
    best = min(gaps[:, list(subset)].min(axis=1).max() for subset in combinations(range(16), 4))
    assert gaps[:, choose("k_centre", 4, vectors=points)].min(axis=1).max() <= 2 * best


def greedy_facility(kernel, size):
    covered, chosen = np.zeros(kernel.shape[1]), []
    for _ in range(size):
        gains = np.round(np.maximum(kernel - covered, 0).sum(axis=1), 9)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, kernel[chosen[-1]])
    return chosen


@pytest.mark.parametrize("tile", [3, 4_096])
def test_facility_location_is_the_greedy_on_the_exact_kernel(tile, monkeypatch):
    monkeypatch.setattr(facility, "TILE_SITES", tile)
    monkeypatch.setattr(facility, "TILE_GROUND", 10 * tile)
    points = clusters(250)
    expected = greedy_facility(gaussian_kernel(points), 120)
    assert choose("facility_location", 120, vectors=points) == expected
    assert facility.facility_location(gaussian_kernel(points), 120).tolist() == expected


def test_facility_location_on_a_given_kernel_counts_below_zero_as_zero():
    kernel = np.random.default_rng(0).standard_normal((90, 40))
    assert facility.facility_location(kernel, 30).tolist() == greedy_facility(np.maximum(kernel, 0), 30)


def test_facility_location_comes_within_the_bound_of_the_best_of_all_subsets():
    kernel = gaussian_kernel(clusters(18))
    best = max(kernel[list(subset)].max(axis=0).sum() for subset in combinations(range(18), 4))
    assert kernel[facility.facility_location(kernel, 4)].max(axis=0).sum() >= (1 - 1 / np.e) * best


def test_bounds_that_are_far_too_loose_change_no_choice(monkeypatch):
    points = clusters(250)
    expected = greedy_facility(gaussian_kernel(points), 100)
    monkeypatch.setattr(facility, "FLOAT32_ERROR", 1e-2)
    assert choose("facility_location", 100, vectors=points) == expected


def test_a_sampled_ground_covers_the_pool_nearly_as_well_and_is_nested():
    points = clusters(600)
    kernel = gaussian_kernel(points)
    objective = {}
    for ground in (150, 600):
        chosen = choose("facility_location", 30, vectors=points, ground=ground)
        assert choose("facility_location", 11, vectors=points, ground=ground) == chosen[:11]
        objective[ground] = kernel[chosen].max(axis=0).sum()
    rng = np.random.default_rng(0)
    random = np.mean([kernel[rng.permutation(600)[:30]].max(axis=0).sum() for _ in range(50)])
    assert objective[150] - random > 0.5 * (objective[600] - random) > 0
