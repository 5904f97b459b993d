import itertools

import numpy as np
import pytest

from winnow.looking.overlap import across_seeds, between, expected_jaccard, overlap


def test_overlap_by_hand():
    found = overlap({"a", "b", "c"}, {"b", "c", "d", "e"}, pool_size=10)
    assert found.jaccard == pytest.approx(2 / 5)
    assert found.common_share == pytest.approx(2 / 3)
    assert found.random_common_share == pytest.approx(4 / 10)


@pytest.mark.parametrize(("first", "second", "pool_size"), [(3, 3, 10), (2, 7, 9), (9, 8, 10)])
def test_the_expected_overlap_is_the_mean_over_all_draws(first, second, pool_size):
    drawn = [
        overlap(set(range(first)), set(other), pool_size) for other in itertools.combinations(range(pool_size), second)
    ]
    for name in ("jaccard", "common_share"):
        mean = np.mean([getattr(each, name) for each in drawn])
        assert mean == pytest.approx(getattr(drawn[0], f"random_{name}"))


def test_the_whole_pool_shares_everything_with_everything():
    assert expected_jaccard(10, 10, 10) == pytest.approx(1)
    assert expected_jaccard(4, 10, 10) == pytest.approx(0.4)


def test_arms_are_compared_over_the_seeds_that_both_have():
    first = {0: {"a", "b"}, 1: {"c", "d"}}
    assert between(first, {0: {"a", "b"}, 1: {"a", "b"}, 2: {"c"}}, 8).jaccard == pytest.approx(0.5)
    assert across_seeds({0: {"a", "b"}, 1: {"b", "c"}, 2: {"x", "y"}}, 8).jaccard == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert across_seeds({0: {"a"}}, 8) is None
