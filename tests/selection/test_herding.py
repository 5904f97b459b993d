from itertools import combinations

import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.selection.features import expected_squared_mmd_of_random, fit_fourier_features, fresh_mmd_ratio, squared_mmd
from winnow.selection.herding import HerdingOptions, Windows, flops, looked_at, shuffle_by_id
from winnow.selection.views import PoolView, Seen, TargetSample


def clusters(size, dimensions=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.standard_normal((6, dimensions))
    points = centres[rng.integers(0, 6, size)] + rng.standard_normal((size, dimensions))
    return points.astype(np.float32)


def features_of(points, features=256):
    return fit_fourier_features(points, features=features, seed=1).apply(points)


def herd(rows, size, *, target=None, **options):
    pool = PoolView([f"{row:06d}" for row in range(len(rows))], np.full(len(rows), "a"), np.ones(len(rows), dtype=int))
    return chosen_rows(
        "herding",
        pool,
        size=size,
        seen=Seen(
            features=rows, target=None if target is None else TargetSample(np.repeat("a", len(target)), features=target)
        ),
        options=options,
    )


def kernel_greedy(rows, size, target=None):
    """Brute force: in each step the row that makes the squared MMD smallest, from kernel values alone."""
    rows = rows.astype(np.float64)
    kernel = rows @ rows.T
    mean_kernel = (rows @ (rows if target is None else target.astype(np.float64)).T).mean(axis=1)
    chosen = []
    for _ in range(size):
        left = [row for row in range(len(rows)) if row not in chosen]
        sets = [[*chosen, row] for row in left]
        mmd = [kernel[np.ix_(s, s)].mean() - 2 * mean_kernel[s].mean() for s in sets]
        chosen.append(left[int(np.argmin(np.round(mmd, 12)))])
    return chosen


@pytest.mark.parametrize("kind", ["fourier", "raw"])
@pytest.mark.parametrize("towards", ["pool", "target"])
def test_it_is_the_greedy_minimiser_of_the_kernels_mmd(kind, towards):
    points = clusters(70)
    rows = features_of(points) if kind == "fourier" else points
    target = rows[:9] if towards == "target" else None
    assert herd(rows, 12, target=target).tolist() == kernel_greedy(rows, 12, target)


def test_it_beats_every_one_of_2000_random_subsets():
    rows = features_of(clusters(300))
    herded = squared_mmd(rows, herd(rows, 30))
    rng = np.random.default_rng(0)
    assert herded < min(squared_mmd(rows, rng.permutation(300)[:30]) for _ in range(2000))


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_within_twice_the_best_of_all_subsets(seed):
    rows = features_of(clusters(22, seed=seed))
    best = min(squared_mmd(rows, np.array(subset)) for subset in combinations(range(22), 4))
    assert squared_mmd(rows, herd(rows, 4)) <= 2 * best


def test_it_matches_the_pool_better_than_random_in_features_it_never_saw():
    points = clusters(500)
    assert fresh_mmd_ratio(points, herd(features_of(points, 512), 25)) < 0.5


def test_a_planted_target_category_is_found():
    rng = np.random.default_rng(4)
    points = clusters(600, 16)
    centre = 3 * rng.standard_normal(16)
    points[:30] = centre + rng.standard_normal((30, 16))
    fourier = fit_fourier_features(points, features=512, seed=0)
    target = fourier.apply((centre + rng.standard_normal((20, 16))).astype(np.float32))
    chosen = herd(fourier.apply(points), 18, target=target)
    assert (chosen < 30).mean() >= 0.9


def test_exact_copies_are_taken_in_proportion_and_ties_go_to_the_lowest_id():
    rows = np.repeat(np.eye(3, dtype=np.float32), [60, 30, 10], axis=0)
    chosen = herd(rows, 10)
    assert np.bincount(np.searchsorted([60, 90], chosen, side="right")).tolist() == [6, 3, 1]
    assert sorted(chosen) == [0, 1, 2, 3, 4, 5, 60, 61, 62, 90]


def test_the_stochastic_form_comes_close_and_is_nested_too():
    rows = features_of(clusters(2000))
    expected = expected_squared_mmd_of_random(rows, 200)
    exact, stochastic = herd(rows, 200, candidates="all"), herd(rows, 200, candidates="stochastic")
    assert squared_mmd(rows, exact) < 0.1 * expected
    assert squared_mmd(rows, stochastic) < 0.2 * expected
    assert herd(rows, 77, candidates="stochastic").tolist() == stochastic[:77].tolist()
    assert len(set(herd(rows, 2000, candidates="stochastic"))) == 2000


def test_auto_is_exact_until_it_costs_too_much_and_stays_nested(monkeypatch):
    rows = features_of(clusters(400))
    exact = herd(rows, 100, candidates="all")
    assert herd(rows, 100).tolist() == exact.tolist()
    monkeypatch.setattr("winnow.selection.herding.EXACT_SCALE", 400 * 40**0.5)
    narrowed = herd(rows, 100)
    assert narrowed[:40].tolist() == exact[:40].tolist() != narrowed.tolist()
    assert herd(rows, 60).tolist() == narrowed[:60].tolist()


def test_looked_at_narrows_and_tells_the_flops():
    auto, stochastic = HerdingOptions(window=1), HerdingOptions(candidates="stochastic", window=1)
    assert looked_at(3, 1000, auto).tolist() == [1000] * 3
    assert looked_at(1000, 1000, stochastic)[[0, 3, 7, 999]].tolist() == [1000, 250, 125, 32]
    assert looked_at(1001, 100_000, auto)[[99, 100, 999]].tolist() == [100_000, 991, 100]
    assert flops(pool_examples=1000, width=64, size=3, target_examples=0, options=auto) == 2 * 64 * 3000


def test_rows_looked_at_grow_no_faster_than_the_pool():
    looked = [looked_at(size // 10, size, HerdingOptions()).sum() for size in (10_000, 100_000, 1_000_000)]
    assert looked[1] <= 1.2 * looked[0] and looked[2] < looked[1]
    stochastic = HerdingOptions(candidates="stochastic")
    looked = [looked_at(size // 10, size, stochastic).sum() / size for size in (10_000, 100_000, 1_000_000)]
    assert looked[0] < looked[1] < looked[2] < 1.5 * looked[0]


@pytest.mark.parametrize("candidates", ["all", "stochastic"])
def test_wide_windows_and_narrow_blocks_give_the_same(candidates, monkeypatch):
    rows = features_of(clusters(1500))
    whole = herd(rows, 150, candidates=candidates)
    monkeypatch.setattr("winnow.selection.herding.GATHERED_BYTES", 3 * rows[0].nbytes)
    assert herd(rows, 150, candidates=candidates).tolist() == whole.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_close_calls_are_settled_in_float64(seed):
    """Rows differ in the last bits of a few numbers: float32 cannot rank them."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.standard_normal((1, 256)), 100, axis=0).astype(np.float32)
    rows += (rng.random(rows.shape) < 0.05) * np.float32(3e-6)
    aim = rng.standard_normal((1, 256)).astype(np.float32)
    exact = rows.astype(np.float64)
    scores = exact @ aim[0].astype(np.float64) - (exact**2).sum(axis=1) / 2
    assert herd(rows, 1, target=aim).tolist() == [int(np.argmax(np.round(scores, 9)))]


def test_float64_rows_in_any_memory_order_are_taken_too():
    rows = features_of(clusters(200))
    assert herd(np.asfortranarray(rows, dtype=np.float64), 20).tolist() == herd(rows, 20).tolist()


def test_windows_go_over_all_rows_before_they_come_back():
    windows, used = Windows(shuffle_by_id([str(row) for row in range(10)])), np.zeros(10, dtype=bool)
    first = np.concatenate([windows.next(4, used), windows.next(4, used)])
    assert len(set(first)) == 8
    used[first[:5]] = True
    left = windows.next(4, used)
    assert set(range(10)) - set(first) < set(left) and not used[left].any()
    assert set(windows.next(100, used)) == set(np.flatnonzero(~used))


def test_the_shuffle_hangs_on_ids_alone():
    ids = [f"row{row}" for row in range(50)]
    whole = [ids[row] for row in shuffle_by_id(ids)]
    assert whole != ids
    assert [ids[:20][row] for row in shuffle_by_id(ids[:20])] == [name for name in whole if name in ids[:20]]
