import numpy as np
import pytest

from winnow.looking.overlap import across_seeds, between, expected_jaccard, overlap


def test_overlap_by_hand():
    found = overlap({"a", "b", "c"}, {"b", "c", "d", "e"}, pool_size=10)
    assert found.jaccard == pytest.approx(2 / 5)
    assert found.common_share == pytest.approx(2 / 3)
    assert found.random_common_share == pytest.approx(4 / 10)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "pool_size"), [(3, 3, 10), (2, 7, 12), (9, 8, 10)])
def test_the_expected_jaccard_is_the_mean_over_draws(first, second, pool_size):
    rng = np.random.default_rng(0)
    drawn = [
        overlap(set(rng.permutation(pool_size)[:first]), set(rng.permutation(pool_size)[:second]), pool_size)
        for _ in range(4000)
    ]
    for name in ("jaccard", "common_share"):
        values = [getattr(each, name) for each in drawn]
        expected = getattr(drawn[0], f"random_{name}")
        assert np.mean(values) == pytest.approx(expected, abs=5 * np.std(values) / np.sqrt(len(values)))


def test_the_whole_pool_shares_everything_with_everything():
    assert expected_jaccard(10, 10, 10) == pytest.approx(1)
    assert expected_jaccard(4, 10, 10) == pytest.approx(0.4)


def test_arms_are_compared_over_the_seeds_that_both_have():
    first = {0: {"a", "b"}, 1: {"c", "d"}}
    assert between(first, {0: {"a", "b"}, 1: {"a", "b"}, 2: {"c"}}, 8).jaccard == pytest.approx(0.5)
    assert across_seeds({0: {"a", "b"}, 1: {"b", "c"}, 2: {"x", "y"}}, 8).jaccard == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert across_seeds({0: {"a"}}, 8) is None
