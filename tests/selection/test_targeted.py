"""Selectors that need a target: oracles, and whether each finds a category that is planted in the pool."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from tests_support import chosen_rows
from winnow.errors import DataError, RecipeError
from winnow.selection import registry, round_robin
from winnow.selection.choose import match
from winnow.selection.density_ratio import log_odds
from winnow.selection.dsir import log_importance
from winnow.selection.gumbel import gumbel_order
from winnow.selection.views import PoolView, Seen, TargetSample

ROUND_ROBIN = ("rds_round_robin", "gradient_round_robin")
TARGETED = sorted(name for name, traits in registry.traits().items() if traits.target == "required")
SIZE, TARGET = 2_000, 60


def pool_of(size, sources=None):
    sources = np.full(size, "a") if sources is None else sources
    return PoolView([f"{row:05d}" for row in range(size)], sources, np.full(size, 10))


@pytest.fixture(scope="module")
def planted():
    """A pool of six clusters whose hidden category, 5 % of it, is shifted, has words of its own and often source b."""
    rng = np.random.default_rng(4)
    is_in = np.zeros(SIZE + TARGET, dtype=bool)
    is_in[rng.permutation(SIZE)[: SIZE // 20]] = True
    is_in[SIZE:] = True
    vectors = (
        rng.standard_normal((SIZE + TARGET, 16)) + 2 * rng.standard_normal((6, 16))[rng.integers(0, 6, len(is_in))]
    )
    vectors[is_in] += 2 * np.sign(rng.standard_normal(16))
    vectors = ((vectors - vectors.mean(0)) / vectors.std(0)).astype(np.float32)
    rates = np.full((len(is_in), 40), 0.5)
    rates[is_in, :8] = 2.0
    counts = csr_array(rng.poisson(rates).astype(np.float32))
    sources = np.where(rng.random(len(is_in)) < np.where(is_in, 0.9, 0.02), "b", "a")
    target = TargetSample(sources[SIZE:], vectors=vectors[SIZE:], counts=counts[SIZE:])
    return (
        pool_of(SIZE, sources[:SIZE]),
        Seen(vectors=vectors[:SIZE], counts=counts[:SIZE], target=target),
        is_in[:SIZE],
    )


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("rds_round_robin", 0.9),
        ("gradient_round_robin", 0.9),
        ("density_ratio", 0.9),
        ("dsir", 0.9),
        ("cluster_shares", 0.5),
        ("source_shares", 0.5),
    ],
)
def test_a_planted_category_is_found(name, precision, planted):
    pool, seen, is_in = planted
    assert name in TARGETED
    rows = chosen_rows(name, pool, size=50, seen=seen, seed=2)
    assert is_in[rows].mean() >= precision


def test_the_planted_category_is_not_found_towards_a_target_of_other_rows(planted):
    pool, seen, is_in = planted
    others = np.flatnonzero(~is_in)[:TARGET]
    target = TargetSample(pool.sources[others], vectors=seen.vectors[others], counts=seen.counts[others])
    for name in TARGETED:
        rows = chosen_rows(name, pool, size=50, seen=Seen(vectors=seen.vectors, counts=seen.counts, target=target))
        assert is_in[rows].mean() < 0.2, name


@pytest.mark.parametrize("name", TARGETED)
def test_without_a_target_it_is_refused(name, planted):
    pool, seen, _ = planted
    with pytest.raises(RecipeError, match=f"{name} needs a target"):
        chosen_rows(name, pool, size=5, seen=Seen(vectors=seen.vectors, counts=seen.counts))


def turns_by_brute_force(vectors, target, size):
    """All similarities at once; each turn the most similar unused row."""
    lengths = [np.maximum(np.linalg.norm(rows, axis=1), 1e-30) for rows in (target, vectors)]
    similarity = np.round(target @ vectors.T / np.outer(*lengths), 9)
    chosen = []
    for turn in range(size):
        row = similarity[turn % len(target)].copy()
        row[chosen] = -np.inf
        chosen.append(int(np.argmax(row)))
    return chosen


@pytest.mark.parametrize("name", ROUND_ROBIN)
@pytest.mark.parametrize("size", [1, 37, 300])
def test_target_rows_take_turns_with_their_most_similar_unused_row(name, size):
    rng = np.random.default_rng(6)
    vectors = rng.standard_normal((300, 4)).astype(np.float32) * rng.uniform(0.1, 9, (300, 1)).astype(np.float32)
    vectors[50:80], vectors[9] = vectors[20:50], 0
    target = rng.standard_normal((7, 4)).astype(np.float32)
    seen = Seen(vectors=vectors, target=TargetSample(np.full(7, "a"), vectors=target))
    rows = chosen_rows(name, pool_of(300), size=size, seen=seen)
    assert rows.tolist() == turns_by_brute_force(vectors.astype(float), target.astype(float), size)


def test_lists_that_run_out_and_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((200, 3)).astype(np.float32)
    target = np.repeat(rng.standard_normal((2, 3)), 3, axis=0).astype(np.float32)
    whole = round_robin.round_robin(vectors, target, 150)
    monkeypatch.setattr(round_robin, "MIN_DEPTH", 1)
    monkeypatch.setattr(round_robin, "HEADROOM", 0)
    monkeypatch.setattr(round_robin, "MAX_SIMILARITIES", 500)
    monkeypatch.setattr(round_robin, "MAX_CONVERTED", 100)
    nearest, depths = round_robin._nearest, []

    def spy(vectors, target, used, depth):
        depths.append(depth)
        return nearest(vectors, target, used, depth)

    monkeypatch.setattr(round_robin, "_nearest", spy)
    assert round_robin.round_robin(vectors, target, 150).tolist() == whole.tolist()
    assert depths == [2**power for power in range(len(depths))] and len(depths) > 4


def test_the_first_row_drawn_is_in_proportion_to_the_weights():
    weights = np.array([0.1, 0.4, 0.2, 0.05, 0.25])
    rng = np.random.default_rng(0)
    orders = [gumbel_order(np.log(weights) + 3, rng) for _ in range(4_000)]
    first = np.bincount([order[0] for order in orders]) / 4_000
    assert np.abs(first - weights).max() < 0.03
    after_first = np.bincount([order[1] for order in orders if order[0] == 1], minlength=5)
    assert np.abs(after_first / after_first.sum() - weights / 0.6)[[0, 2, 3, 4]].max() < 0.05


def test_log_odds_are_where_the_gradient_of_the_penalised_loss_is_zero():
    rng = np.random.default_rng(1)
    vectors, target = rng.standard_normal((400, 3)).astype(np.float32), rng.standard_normal((50, 3)).astype(np.float32)
    target[:, 0] += 1
    odds = log_odds(vectors, target, l2=0.05)
    scale = np.sqrt((vectors.astype(float) ** 2).mean())
    design = np.column_stack([vectors / scale, np.ones(400)])
    weights = np.linalg.lstsq(design, odds, rcond=None)[0]
    of_target = np.column_stack([target / scale, np.ones(50)]) @ weights
    gradient = (1 / (1 + np.exp(-odds))) @ design / 800 - (1 / (1 + np.exp(of_target))) @ np.column_stack(
        [target / scale, np.ones(50)]
    ) / 100
    assert np.allclose(gradient + 0.05 * np.append(weights[:3], 0), 0, atol=1e-7)


def test_odds_estimate_the_ratio_of_two_normal_densities():
    rng = np.random.default_rng(2)
    vectors, target = rng.standard_normal((20_000, 2)), rng.standard_normal((20_000, 2)) + [1, 0]
    odds = log_odds(vectors.astype(np.float32), target.astype(np.float32), l2=1e-6)
    assert np.abs(odds - (vectors[:, 0] - 0.5)).mean() < 0.05


def test_log_importance_is_the_ratio_of_smoothed_multinomials():
    rng = np.random.default_rng(3)
    counts, target = rng.poisson(0.6, (30, 8)), rng.poisson(1.0, (5, 8))
    counts[4] = 0
    p = (target.sum(0) + 1) / (target.sum() + 8)
    q = (counts.sum(0) + 1) / (counts.sum() + 8)
    expected = [sum(n * (np.log(p[b]) - np.log(q[b])) for b, n in enumerate(row)) for row in counts]
    sparse = [csr_array(each.astype(np.float32)) for each in (counts, target)]
    assert np.allclose(log_importance(*sparse), expected)
    per_ngram = np.array(expected) / np.maximum(counts.sum(1), 1)
    assert np.allclose(log_importance(*sparse, per_ngram=True), per_ngram)


def test_source_shares_are_the_targets(pool):
    target = TargetSample(np.repeat(["b", "c"], [6, 2]))
    rows = chosen_rows("source_shares", pool, size=40, seen=Seen(target=target), seed=1)
    counts = [int((pool.sources[rows] == name).sum()) for name in "abc"]
    assert counts[0] == 0 and abs(counts[1] - 30) <= 1
    rest = chosen_rows("source_shares", pool, size=100, seen=Seen(target=target), seed=1)
    assert [int((pool.sources[rest] == name).sum()) for name in "abc"] == [20, 60, 20]


def test_a_target_of_sources_that_the_pool_lacks_is_refused(pool):
    with pytest.raises(DataError, match="the target sample names source 'd'; the pool has only a, b, c"):
        chosen_rows("source_shares", pool, size=5, seen=Seen(target=TargetSample(np.array(["a", "d"]))))


def test_cluster_shares_are_the_targets():
    rng = np.random.default_rng(5)
    centres = np.array([[9, 0], [0, 9], [-9, -9]])
    cluster = np.repeat([0, 1, 2], 100)
    vectors = (centres[cluster] + rng.standard_normal((300, 2))).astype(np.float32)
    target = TargetSample(np.full(8, "a"), vectors=(centres[[0] * 6 + [2] * 2] + 0.1).astype(np.float32))
    seen = Seen(vectors=vectors, target=target)
    for seed in range(5):
        rows = chosen_rows("cluster_shares", pool_of(300), size=40, seen=seen, options={"clusters": 3}, seed=seed)
        assert np.abs(np.bincount(cluster[rows], minlength=3) - [30, 0, 10]).max() <= 1


def test_random_plus_target_leaves_room_for_the_target(pool):
    rows = match("random_plus_target", np.arange(30), pool, size=18, seed=1)
    assert len(set(rows.tolist())) == 18
    assert len(match("random_plus_target", np.arange(30), pool, size=0)) == 0
    assert set(rows) != set(match("random_plus_target", np.arange(30), pool, size=18, seed=2))
