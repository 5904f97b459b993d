import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.errors import DataError, RecipeError
from winnow.selection import registry
from winnow.selection.views import PoolView, Seen, TargetSample


@pytest.fixture
def seen():
    rng = np.random.default_rng(8)
    sources = np.array(["a"] * 3 + ["c"])
    target = TargetSample(sources, vectors=rng.standard_normal((4, 5)).astype(np.float32))
    return Seen(vectors=rng.standard_normal((200, 5)).astype(np.float32), scores=rng.random(200), target=target)


def choose(pool, seen, size, **options):
    return chosen_rows("within_sources", pool, size=size, seen=seen, options=options, seed=1)


def counts_of(pool, rows):
    return [int((pool.sources[rows] == name).sum()) for name in "abc"]


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ("pool", [12, 6, 2]),
        ("equal", [7, 7, 6]),
        ("target", [15, 0, 5]),
        ({"b": 3, "c": 1}, [0, 15, 5]),
        ({"b": 0.5, "c": 0.5, "a": 0}, [0, 10, 10]),
    ],
)
def test_prefixes_have_the_given_shares(pool, seen, shares, counts):
    rows = choose(pool, seen, 200, shares=shares)
    assert counts_of(pool, rows[:20]) == counts
    assert sorted(rows.tolist()) == list(range(200))
    assert choose(pool, seen, 20, shares=shares).tolist() == rows[:20].tolist()


def test_a_source_that_runs_out_gives_its_turns_to_the_others(pool, seen):
    assert counts_of(pool, choose(pool, seen, 100, shares="equal")) == [40, 40, 20]


def test_inside_a_source_the_inner_selector_decides(pool, seen):
    rows = choose(pool, seen, 50, order="top_k", shares="equal")
    ids = np.array(pool.ids)
    for name in "abc":
        own = np.flatnonzero(pool.sources == name)
        best = own[np.lexsort((ids[own], -seen.scores[own]))]
        taken = [row for row in rows if row in own]
        assert taken == best[: len(taken)].tolist()


def test_one_source_is_the_inner_selector_itself(pool, seen):
    one = PoolView(pool.ids, np.full(200, "a"), pool.tokens)
    for name in ("rds_round_robin", "band"):
        inner = chosen_rows(name, one, size=30, seen=seen)
        aimed = Seen(
            vectors=seen.vectors, scores=seen.scores, target=TargetSample(np.full(4, "a"), seen.target.vectors)
        )
        assert choose(one, aimed, 30, order=name).tolist() == inner.tolist()


def test_the_inner_selector_aims_at_the_targets_rows_of_its_source_or_at_all(pool, seen):
    rows = choose(pool, seen, 60, order="rds_round_robin", shares="equal")
    for name, aims in (("a", [0, 1, 2]), ("b", [0, 1, 2, 3]), ("c", [3])):
        own = np.flatnonzero(pool.sources == name)
        inside = Seen(
            vectors=seen.vectors[own], target=TargetSample(seen.target.sources[aims], seen.target.vectors[aims])
        )
        alone = own[chosen_rows("rds_round_robin", pool.take(own), size=20, seen=inside)]
        assert [row for row in rows if row in own] == alone.tolist()


def test_a_source_draws_alike_whatever_stands_beside_it(pool, seen):
    only_a = np.flatnonzero(pool.sources == "a")
    alone = choose(pool.take(only_a), Seen(), 120)
    together = [row for row in choose(pool, seen, 200) if pool.sources[row] == "a"]
    assert only_a[alone].tolist() == together


def test_it_needs_what_its_inner_selector_needs():
    assert registry.needs("within_sources", {}) == ()
    assert registry.needs("within_sources", {"order": "score_gated_herding"}) == ("features", "scores")


def test_its_cost_is_that_of_the_inner_selector():
    sizes = {"pool_examples": 1000, "width": 8, "size": 100, "target_examples": 10}
    options = registry.check("within_sources", {"order": "rds_round_robin"})
    assert registry.find_selector("within_sources").flops(**sizes, options=options) == 2 * 8 * 1000 * 10


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"order": "within_sources"}, "cannot hold within_sources, which holds a selector itself"),
        ({"order": "full"}, "cannot hold full, which gives a set"),
        ({"order": "source_matched"}, "source_matched is a control"),
        ({"order": "rndom"}, "unknown selector 'rndom' .did you mean 'random'"),
        ({"order": "band", "order_options": {"center": 0.5}}, "unknown option center of band .did you mean 'centre'"),
        ({"shares": "eqal"}, "option shares of within_sources is 'eqal' .did you mean 'equal'"),
        ({"shares": {}}, "all 0 or missing"),
        ({"shares": {"a": -1}}, "share of source 'a' is -1"),
        ({"shares": {"a": float("nan")}}, "share of source 'a' is nan"),
        ({"shares": {"a": "much"}}, "share of source 'a' is 'much'"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_in_one_line(options, problem):
    with pytest.raises(RecipeError, match=problem) as caught:
        registry.check("within_sources", options)
    assert "\n" not in str(caught.value)


def test_targets_and_sources_that_are_not_there_are_refused(pool, seen):
    with pytest.raises(RecipeError, match="`shares: target` and no target"):
        choose(pool, Seen(), 10, shares="target")
    with pytest.raises(RecipeError, match="rds_round_robin needs a target"):
        choose(pool, Seen(vectors=seen.vectors), 10, order="rds_round_robin")
    with pytest.raises(DataError, match="names source 'd'; the pool has only a, b, c"):
        choose(pool, seen, 10, shares={"a": 1, "d": 1})
