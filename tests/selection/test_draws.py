from collections import Counter

import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.selection.choose import match
from winnow.selection.draws import draw_counts, occurrences


def count(pool, rows):
    return Counter(pool.sources[rows].tolist())


def test_occurrences_count_earlier_rows_of_the_group():
    assert occurrences(np.array(list("baabab"))).tolist() == [0, 0, 1, 1, 2, 2]


def test_random_rows_are_spread_over_the_pool(pool):
    hits = sum(np.bincount(chosen_rows("random", pool, size=20, seed=seed), minlength=200) for seed in range(400))
    assert abs(hits - 40).max() < 6 * np.sqrt(40)


def test_draws_of_one_seed_have_no_more_in_common_than_draws_of_two(pool):
    first, second = (set(chosen_rows("random", pool, size=100, seed=3, options={"draw": draw})) for draw in (0, 1))
    assert first == set(chosen_rows("random", pool, size=100, seed=3))
    common = [
        len({*chosen_rows("random", pool, size=100, seed=seed)}
            & {*chosen_rows("random", pool, size=100, seed=seed, options={"draw": 1})}) for seed in range(100)
    ]  # fmt: skip
    assert len(first & second) < 80
    assert abs(np.mean(common) - 50) < 3 * 3.6 / 10


def test_equal_shares_are_equal_and_the_rest_is_shared_when_a_source_runs_out(pool):
    assert set(count(pool, chosen_rows("equal_shares", pool, size=30)).values()) == {10}
    assert sorted(count(pool, chosen_rows("equal_shares", pool, size=31)).values()) == [10, 10, 11]
    assert count(pool, chosen_rows("equal_shares", pool, size=100)) == {"a": 40, "b": 40, "c": 20}
    assert count(pool, chosen_rows("equal_shares", pool, size=190)) == {"a": 110, "b": 60, "c": 20}


def test_the_odd_row_of_equal_shares_does_not_always_fall_to_one_source(pool):
    first = {pool.sources[chosen_rows("equal_shares", pool, size=1, seed=seed)[0]] for seed in range(20)}
    assert first == {"a", "b", "c"}


def test_source_matched_has_the_references_counts_but_other_rows(pool):
    reference = np.array([*range(7), *range(120, 150), 199])
    drawn = match("source_matched", reference, pool, seed=1)
    assert count(pool, drawn) == {"a": 7, "b": 30, "c": 1}
    assert set(drawn) != set(reference)


def test_source_matched_is_nested_where_the_reference_is(pool):
    reference = chosen_rows("random", pool, size=80)
    small, large = (match("source_matched", reference[:size], pool, seed=2) for size in (20, 80))
    assert set(small) < set(large)


def test_draws_of_one_seed_differ_by_name(pool):
    """A source-matched random of a random arm must not be that arm again."""
    reference = chosen_rows("random", pool, size=60, seed=0)
    overlap = len(set(reference) & set(match("source_matched", reference, pool, seed=0)))
    assert overlap < 35


@pytest.mark.parametrize("reference", ["long", "short", "spread"])
def test_length_matched_has_the_references_lengths(pool, reference):
    rows = np.argsort(pool.tokens)
    rows = {"long": rows[-60:], "short": rows[:60], "spread": rows[::4]}[reference]
    drawn = match("length_matched", rows, pool, seed=1)
    assert pool.tokens[drawn].mean() == pytest.approx(pool.tokens[rows].mean(), rel=0.02)
    assert pool.tokens[drawn].min() >= pool.tokens[rows].min()
    assert pool.tokens[drawn].max() <= pool.tokens[rows].max()


def test_length_matched_fills_each_bin_exactly(pool):
    rows = np.argsort(pool.tokens)[::3]
    drawn = match("length_matched", rows, pool, options={"bins": 4})
    edges = np.unique(np.quantile(pool.tokens[rows], [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf"))
    bins = [np.bincount(np.searchsorted(edges, pool.tokens[each])).tolist() for each in (rows, drawn)]
    assert bins[0] == bins[1]


def test_a_group_that_is_too_small_is_our_own_mistake():
    with pytest.raises(AssertionError):
        draw_counts(np.array([0, 0, 1]), np.array([1, 2]), np.random.default_rng(0))
