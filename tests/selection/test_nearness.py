import numpy as np
import pytest

from winnow.selection.features import FRESH_FEATURES, FRESH_SEED, fit_fourier_features
from winnow.selection.nearness import target_mmd_ratios


def two_groups():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 1, (300, 3)), rng.normal(3, 0.5, (100, 3))]).astype(np.float32)
    return points, rng.normal(3, 0.5, (40, 3)).astype(np.float32), rng


def test_the_ratio_is_one_for_random_rows_and_small_for_rows_like_the_target():
    points, target, rng = two_groups()
    drawn = [rng.permutation(400)[:40] for _ in range(200)]
    *random, like, unlike = target_mmd_ratios(points, target, [*drawn, np.arange(300, 340), np.arange(40)])
    assert np.mean(random) == pytest.approx(1, abs=5 * np.std(random) / np.sqrt(200))
    assert like < 0.1
    assert unlike > 1.2


def test_the_whole_pool_is_as_far_as_its_mean():
    points, target, _ = two_groups()
    fourier = fit_fourier_features(points, features=FRESH_FEATURES, seed=FRESH_SEED)
    rows = np.arange(20)
    aim = fourier.apply(target).mean(axis=0, dtype=np.float64)
    gap = fourier.apply(points[rows]).mean(axis=0, dtype=np.float64) - aim
    whole = fourier.apply(points).mean(axis=0, dtype=np.float64)
    expected = (whole - aim) @ (whole - aim) + (1 - whole @ whole) * 380 / (20 * 399)
    everything, some = target_mmd_ratios(points, target, [np.arange(400), rows])
    assert everything == pytest.approx(1, abs=1e-6)
    assert some == pytest.approx(gap @ gap / expected, rel=1e-6)


def test_equal_points_have_no_ratio():
    points = np.ones((9, 3), dtype=np.float32)
    assert target_mmd_ratios(points, points[:2], [np.arange(3)]) == [None]
