import math

import numpy as np
import pytest

from winnow.analysis.statistics import deviation, mean_interval, needed_seeds, paired_differences, power


def test_interval_is_students():
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.num) == (2.0, 3)
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_one_seed_has_no_interval_and_none_no_mean():
    assert mean_interval([1.5]).low is None
    assert mean_interval([1.5]).half_width is None
    assert mean_interval([]) is None


def test_correction_widens():
    plain, corrected = mean_interval([1.0, 2.0, 4.0]), mean_interval([1.0, 2.0, 4.0], num_comparisons=5)
    assert corrected.half_width > plain.half_width


def test_pairs_only_common_seeds():
    assert paired_differences({0: 1.0, 1: 2.0, 7: 9.0}, {1: 0.5, 0: 0.25}) == [0.75, 1.5]


def test_needed_seeds_agree_with_the_power_of_a_paired_t_test():
    from scipy.stats import nct, t

    differences = [0.1, 0.3, -0.1, 0.2, 0.0, 0.35]
    effect = sum(differences) / 6 / deviation(differences)
    needed = needed_seeds(differences)

    def power(n):
        return 1 - nct.cdf(t.ppf(0.975, n - 1), n - 1, effect * math.sqrt(n))

    assert power(needed + 1) > 0.78
    assert power(needed - 1) < 0.82


@pytest.mark.parametrize(("effect", "num"), [(0.0, 3), (0.5, 34), (1.0, 3), (2.0, 5), (0.1, 787)])
def test_power_is_that_of_the_noncentral_t(effect, num):
    from scipy.stats import nct, t

    bound = t.ppf(0.975, num - 1)
    tails = nct.sf(bound, num - 1, effect * math.sqrt(num)) + nct.sf(bound, num - 1, -effect * math.sqrt(num))
    assert power(effect, num) == pytest.approx(tails, abs=1e-9)
    assert power(-effect, num) == power(effect, num)
    assert power(effect, num, num_comparisons=4) < power(effect, num)


@pytest.mark.parametrize(("effect", "num", "num_comparisons"), [(8.0, 3, 11), (17.21, 8, 1), (2.767, 200, 11)])
def test_power_is_a_number_where_scipys_noncentral_t_is_none(effect, num, num_comparisons):
    around = [power(effect * by, num, num_comparisons=num_comparisons) for by in (0.97, 1.0, 1.03)]
    assert around == sorted(around)
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, abs=1e-3)


def test_power_where_scipy_has_none_comes_from_the_same_distribution(monkeypatch):
    exact = [power(effect, num) for effect, num in ((0.5, 34), (1.0, 3), (2.0, 5))]
    monkeypatch.setattr("winnow.analysis.statistics.nctdtr", lambda *_: math.nan)
    assert [power(effect, num) for effect, num in ((0.5, 34), (1.0, 3), (2.0, 5))] == pytest.approx(exact, abs=1e-4)


def test_power_of_what_cannot_be_missed_is_one():
    assert power(math.inf, 3) == power(1e12, 10) == 1.0
    assert needed_seeds([0.25, 0.25]) == 2


def test_needed_seeds_says_nothing_of_nothing():
    assert needed_seeds([0.1]) is None
    assert needed_seeds([0.1, -0.1]) is None
    assert needed_seeds([0.1, -0.0999]) is None


def test_intervals_miss_the_truth_as_often_as_they_say():
    draws = np.random.default_rng(0).standard_normal((1000, 4))
    misses = sum(not found.low < 0 < found.high for found in (mean_interval(list(row)) for row in draws))
    assert 30 < misses < 70
