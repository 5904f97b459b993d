"""Claims are as rare, and as frequent, as they say: simulated studies through `winnow.compare`, thousands of each.

Seeds move both arms alike (the pairing removes that) and each arm by itself. The same figures, and those of real runs,
are kept in docs/results/calibration.md by tools/keep_calibration.py.
"""

import numpy as np
import pytest

from test_docs import load_tool
from winnow.analysis.statistics import needed_seeds, power

tool = load_tool("keep_calibration")


@pytest.mark.long
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_null_studies_claim_a_difference_as_often_as_they_say(seeds):
    rng = np.random.default_rng(seeds)
    kinds = [tool.verdicts({"random": 0.0}, seeds=seeds, rng=rng)[0] for _ in range(tool.STUDIES)]
    assert 0.035 <= tool.claimed(kinds) <= 0.065


@pytest.mark.long
@pytest.mark.parametrize(("effect", "seeds"), [(2.0, 3), (3.0, 3), (1.0, 5), (1.5, 5), (0.6, 10), (1.0, 10)])
def test_planted_differences_are_found_at_the_predicted_power(effect, seeds):
    rng = np.random.default_rng(seeds)
    kinds = [tool.verdicts({"herding": effect}, seeds=seeds, rng=rng)[0] for _ in range(tool.STUDIES)]
    assert tool.claimed(kinds) == pytest.approx(power(effect, seeds), abs=0.025)
    assert kinds.count("worse") <= 0.01 * tool.STUDIES


@pytest.mark.long
@pytest.mark.parametrize("num", [2, 6])
def test_of_several_null_arms_any_is_claimed_no_more_often(num):
    rng = np.random.default_rng(num)
    arms = {f"random_{each}": 0.0 for each in range(num)}
    found = [tool.claimed(tool.verdicts(arms, seeds=5, rng=rng)) > 0 for _ in range(tool.STUDIES)]
    assert 0.02 <= np.mean(found) <= 0.065


@pytest.mark.long
def test_the_needed_seeds_are_enough_four_times_of_five():
    rng = np.random.default_rng(0)
    effect = 1.2
    needed = needed_seeds([effect + 1 / np.sqrt(2), effect - 1 / np.sqrt(2)])
    found, fewer = (
        tool.claimed([tool.verdicts({"herding": effect}, seeds=seeds, rng=rng)[0] for _ in range(tool.STUDIES)])
        for seeds in (needed, needed - 1)
    )
    assert found >= 0.78 > fewer - 0.02


@pytest.mark.long
@pytest.mark.parametrize("seeds", tool.SEEDS)
@pytest.mark.parametrize("varies_over", tool.ITEM_SPREADS)
def test_claims_for_other_items_are_as_rare_as_they_say(seeds, varies_over):
    rng = np.random.default_rng(seeds)
    both, _ = tool.share_over_items(tool.ITEM_SPREADS[varies_over], seeds=seeds, rng=rng)
    assert 0.025 <= both <= 0.07
