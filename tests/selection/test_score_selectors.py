import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.errors import RecipeError
from winnow.selection.features import fit_fourier_features, squared_mmd
from winnow.selection.ranks import quantiles
from winnow.selection.views import PoolView, Seen, TargetSample


def make_pool(counts, scores, **seen):
    """Sources a, b, ... of so many rows, ids in order."""
    sources = np.repeat([chr(ord("a") + number) for number in range(len(counts))], counts)
    size = len(sources)
    pool = PoolView([f"{row:04d}" for row in range(size)], sources, np.full(size, 10))
    return pool, Seen(scores=np.asarray(scores, dtype=np.float64), **seen)


@pytest.fixture
def levels():
    """120 rows of source a around 0, 60 of b around 100, 20 of c around -100."""
    rng = np.random.default_rng(2)
    return make_pool([120, 60, 20], rng.standard_normal(200) + np.repeat([0, 100, -100], [120, 60, 20]))


def choose(name, given, size, **options):
    return chosen_rows(name, given[0], size=size, seen=given[1], options=options, seed=1)


def counts_of(given, rows):
    return [int((given[0].sources[rows] == name).sum()) for name in "abc"]


@pytest.mark.parametrize(("name", "sign"), [("top_k", -1), ("bottom_k", 1)])
def test_extremes_of_each_source_at_the_pools_shares(name, sign, levels):
    rows = choose(name, levels, 20)
    assert counts_of(levels, rows) == [12, 6, 2]
    for source, count in zip("abc", [12, 6, 2], strict=True):
        own = np.flatnonzero(levels[0].sources == source)
        best = own[np.argsort(sign * levels[1].scores[own])][:count]
        assert [row for row in rows if row in own] == best.tolist()


def test_over_all_sources_they_are_a_plain_sort(levels):
    scores = levels[1].scores
    assert choose("top_k", levels, 80, inside_sources=False).tolist() == np.argsort(-scores)[:80].tolist()
    assert choose("bottom_k", levels, 80, inside_sources=False).tolist() == np.argsort(scores)[:80].tolist()


def test_ties_go_to_the_lower_id():
    given = make_pool([6], [1, 2, 2, 1, 2, 1])
    assert choose("top_k", given, 6).tolist() == [1, 2, 4, 0, 3, 5]
    assert choose("bottom_k", given, 6).tolist() == [0, 3, 5, 1, 2, 4]


def test_quantiles_count_ties_half():
    assert quantiles(np.array([3.0, 1, 1, 9, 5]), np.array([0, 0, 0, 0, 1])).tolist() == [0.625, 0.25, 0.25, 0.875, 0.5]


@pytest.mark.parametrize("centre", [0.0, 0.3, 0.5, 1.0])
def test_the_band_is_where_the_quantiles_are_nearest(centre, levels):
    rows = choose("band", levels, 40, centre=centre)
    assert counts_of(levels, rows) == [24, 12, 4]
    ranks = np.concatenate([np.argsort(np.argsort(levels[1].scores[levels[0].sources == name])) for name in "abc"])
    places = (ranks + 0.5) / np.repeat([120, 60, 20], [120, 60, 20])
    for name, count in zip("abc", [24, 12, 4], strict=True):
        own = levels[0].sources == name
        taken = np.abs(places[rows[own[rows]]] - centre)
        assert np.allclose(np.sort(taken), np.sort(np.abs(places[own] - centre))[:count])
        assert np.all(np.diff(taken) > -1e-9)


def test_strata_have_the_pools_shares_with_random_rows_inside(levels):
    rows = choose("stratified", levels, 100, bins=4)
    for name, size in zip("abc", [15, 7.5, 2.5], strict=True):
        own = np.flatnonzero(levels[0].sources == name)
        ranks = np.argsort(np.argsort(levels[1].scores[own]))
        held = np.bincount(4 * ranks[np.isin(own, rows)] // len(own), minlength=4)
        assert np.all(np.abs(held - size) < 2)
    spread = [choose("stratified", levels, 20, bins=4), chosen_rows("stratified", levels[0], size=20, seen=levels[1])]
    assert set(spread[0]) != set(spread[1])


def gated_pool():
    rng = np.random.default_rng(3)
    points = rng.standard_normal((200, 4)).astype(np.float32)
    points[:60] += 3
    features = fit_fourier_features(points, features=128, seed=0).apply(points)
    return make_pool([120, 60, 20], rng.standard_normal(200), features=features)


def test_only_rows_inside_the_gate_are_herded_and_the_others_follow_by_distance():
    given = gated_pool()
    place = quantiles(given[1].scores, np.repeat([0, 1, 2], [120, 60, 20]))
    rows = choose("score_gated_herding", given, 200, low=0.1, high=0.8)
    passing = (place >= 0.1) & (place <= 0.8)
    assert passing.sum() == 140 and passing[rows[:140]].all() and not passing[rows[140:]].any()
    missed = np.maximum(0.1 - place, place - 0.8)[rows[140:]]
    assert missed[:20].max() < missed[-20:].min()
    assert choose("score_gated_herding", given, 30, low=0.1, high=0.8).tolist() == rows[:30].tolist()


@pytest.mark.parametrize("is_aimed", [False, True])
def test_inside_the_gate_it_is_the_greedy_towards_the_whole_pools_mean(is_aimed):
    pool, seen = gated_pool()
    target = TargetSample(np.repeat("a", 9), features=seen.features[:9]) if is_aimed else None
    rows = choose("score_gated_herding", (pool, Seen(scores=seen.scores, features=seen.features, target=target)), 12)
    aim = (seen.features[:9] if is_aimed else seen.features).astype(np.float64).mean(axis=0)
    passing = np.flatnonzero(quantiles(seen.scores, np.repeat([0, 1, 2], [120, 60, 20])) <= 0.8)
    chosen = []
    for _ in range(12):
        left = [row for row in passing if row not in chosen]
        gaps = [np.sum((seen.features[[*chosen, row]].astype(np.float64).mean(axis=0) - aim) ** 2) for row in left]
        chosen.append(int(left[int(np.argmin(np.round(gaps, 12)))]))
    assert rows.tolist() == chosen


def test_gated_herding_is_closer_to_the_pool_than_random_rows_of_the_gate():
    pool, seen = gated_pool()
    herded = squared_mmd(seen.features, choose("score_gated_herding", (pool, seen), 30))
    passing = np.flatnonzero(quantiles(seen.scores, np.repeat([0, 1, 2], [120, 60, 20])) <= 0.8)
    rng = np.random.default_rng(0)
    assert herded < min(squared_mmd(seen.features, rng.choice(passing, 30, replace=False)) for _ in range(200))


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("score_gated_herding", {"low": 0.8, "high": 0.2}, "low 0.8 is not below high 0.2"),
        ("band", {"centre": 1.5}, "option centre of band is 1.5"),
        ("stratified", {"bins": 0}, "option bins of stratified is 0"),
        ("top_k", {"within": True}, "unknown option within of top_k"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, problem, levels):
    with pytest.raises(RecipeError, match=problem):
        choose(name, levels, 10, **options)
