import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array

from winnow.errors import DataError, RecipeError
from winnow.selection.features import (
    BLOCK,
    CACHED_BLOCK,
    expected_squared_mmd_of_random,
    fit_fourier_features,
    fit_whitening,
    fresh_mmd_ratio,
    mean_row,
    median_bandwidth,
    squared_mmd,
    squared_norms,
)
from winnow.selection.views import check_finite


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("features", [256, 2048])
def test_fourier_features_estimate_the_gaussian_kernel_with_unit_norm(features):
    points = normal(100, 8)
    fourier = fit_fourier_features(points, features=features, seed=3)
    mapped = fourier.apply(points)
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    assert mapped.dtype == np.float32
    assert np.linalg.norm(mapped, axis=1) == pytest.approx(1, abs=1e-5)
    error = mapped @ mapped.T - np.exp(-distances / 2 / fourier.bandwidth**2)
    assert np.abs(error).max() < 6 / np.sqrt(features)


def test_the_bandwidth_is_the_median_distance_over_root_two():
    points = normal(300, 5)
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))[np.triu_indices(300, 1)]
    found = median_bandwidth(points, np.random.default_rng(0))
    assert found == pytest.approx(np.median(distances) / np.sqrt(2), rel=1e-5)
    half = fit_fourier_features(points, features=4, seed=0, bandwidth_scale=0.5)
    assert half.bandwidth == pytest.approx(found / 2)


def test_the_bandwidth_passes_over_copies():
    points = np.zeros((50, 3), dtype=np.float32)
    assert median_bandwidth(points, np.random.default_rng(0)) == 1
    points[0] = [3, 4, 0]
    assert median_bandwidth(points, np.random.default_rng(0)) == pytest.approx(5 / np.sqrt(2))


def test_whitened_rows_have_unit_variance_and_no_correlation():
    rows = normal(500, 12) @ normal(12, 12, seed=1) + 100
    white = fit_whitening(rows, 6).apply(rows)
    assert white.shape == (500, 6)
    assert white.astype(float).T @ white / 500 == pytest.approx(np.eye(6), abs=1e-3)


def test_whitening_floors_small_directions_and_fixes_signs():
    rows = normal(400, 3) * np.array([10, 1, 0.01], dtype=np.float32)
    white = fit_whitening(rows, 3).apply(rows)
    assert white.std(axis=0) == pytest.approx([1, 1, 0.01 / (10 * np.sqrt(1e-3))], rel=0.15)
    order = np.random.default_rng(0).permutation(400)
    assert fit_whitening(rows[order], 3).apply(rows) == pytest.approx(white, abs=1e-5)


@pytest.mark.parametrize(("rows", "width", "kept"), [(100, 4, 4), (6, 20, 5), (1, 20, 1), (100, 40, 32)])
def test_whitening_keeps_what_there_is(rows, width, kept):
    white = fit_whitening(normal(rows, width), 32).apply(normal(rows, width))
    assert white.shape == (rows, kept)
    assert np.isfinite(white).all()


@pytest.mark.parametrize("rows", [normal(1, 8)[[0] * 30] * 0 + 0.1, normal(1, 8) * 0, normal(1, 8)[[0] * 9]])
def test_constant_rows_stay_finite_and_equal(rows):
    white = fit_whitening(rows, 4).apply(rows)
    features = fit_fourier_features(white, features=16, seed=0).apply(white)
    assert not white.any()
    assert np.isfinite(features).all() and (features == features[0]).all()
    assert fresh_mmd_ratio(white, np.arange(1)) is None


def test_what_is_not_finite_is_refused():
    rows = normal(10, 4)
    rows[7, 1] = np.nan
    with pytest.raises(DataError, match=r"hidden states of 1 of 10 rows hold NaN or infinity \(first: row 7\)"):
        fit_whitening(rows, 2)
    with pytest.raises(DataError, match="NaN"):
        fit_fourier_features(rows, features=4, seed=0)
    with pytest.raises(RecipeError, match="features is 5; it must be even"):
        fit_fourier_features(normal(10, 4), features=5, seed=0)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_closed_form_of_randoms_mmd_agrees_with_a_simulation(scale):
    features = (normal(150, 24) * np.linspace(0.1, scale, 150)[:, None]).astype(np.float32)
    rng = np.random.default_rng(2)
    drawn = [squared_mmd(features, rng.permutation(150)[:15]) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(expected_squared_mmd_of_random(features, 15), rel=0.05)


def test_the_fresh_ratio_is_one_for_random_and_none_for_all():
    points = normal(400, 8)
    rng = np.random.default_rng(0)
    ratios = [fresh_mmd_ratio(points, rng.permutation(400)[:40]) for _ in range(30)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert fresh_mmd_ratio(points, np.arange(400)) is None
    assert fresh_mmd_ratio(points, np.argsort(points[:, 0])[:40]) > 3


def test_the_map_holds_no_second_copy_of_the_features():
    points = normal(4 * BLOCK, 2)
    fourier = fit_fourier_features(points, features=64, seed=0)
    tracemalloc.start()
    mapped = fourier.apply(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * mapped.nbytes


def test_means_and_lengths_are_float64_whatever_the_number_of_blocks():
    rows, subset = normal(2 * CACHED_BLOCK + 7, 5) + 1000, np.arange(0, 500, 3)
    exact = rows.astype(np.float64)
    assert mean_row(rows) == pytest.approx(exact.mean(axis=0), rel=1e-14)
    assert mean_row(rows, subset) == pytest.approx(exact[subset].mean(axis=0), rel=1e-14)
    assert squared_norms(rows) == pytest.approx((exact**2).sum(axis=1), rel=1e-14)


def test_large_numbers_are_finite_and_infinities_that_cancel_are_not():
    check_finite(np.full((3, 4), 3e38, dtype=np.float32), "the vectors")
    rows = np.zeros((3, 4), dtype=np.float32)
    rows[1, :2] = np.inf, -np.inf
    with pytest.raises(DataError, match=r"the vectors of 1 of 3 rows .*first: row 1"):
        check_finite(rows, "the vectors")
    with pytest.raises(DataError, match=r"the counts of 1 of 3 rows .*first: row 1"):
        check_finite(csr_array(rows), "the counts")
