import numpy as np
import pytest

from winnow.errors import DataError
from winnow.selection.shares import interleave, random_at_shares, shares_of, target_shares


def furthest_behind(groups, shares, size):
    """Brute force: in each turn the group with the fewest rows for its share that has one left."""
    left = np.bincount(groups, minlength=len(shares))
    given = np.zeros(len(shares))
    turns = []
    for _ in range(size):
        due = [(given[g] + 0.5) / shares[g] if left[g] else np.inf for g in range(len(shares))]
        turn = int(np.argmin(due))
        turns.append(turn)
        given[turn] += 1
        left[turn] -= 1
    return turns


def test_each_turn_goes_to_the_group_that_is_furthest_behind():
    rng = np.random.default_rng(0)
    for _ in range(20):
        groups, shares = rng.integers(0, 5, 60), rng.random(5)
        merged = groups[interleave(groups, shares)]
        assert merged.tolist() == furthest_behind(groups, shares, 60)


def test_a_groups_own_order_is_kept_and_each_row_comes_once():
    groups = np.random.default_rng(1).integers(0, 3, 50)
    positions = interleave(groups, np.array([0.5, 0.3, 0.2]))
    assert sorted(positions.tolist()) == list(range(50))
    for group in range(3):
        own = positions[groups[positions] == group]
        assert np.all(np.diff(own) > 0)


def test_prefixes_keep_the_shares_and_a_group_that_ran_out_is_replaced_in_proportion():
    groups = np.repeat([0, 1, 2], [10, 300, 300])
    merged = groups[interleave(groups, np.array([0.5, 0.375, 0.125]))]
    assert np.bincount(merged[:16]).tolist() == [8, 6, 2]
    assert np.bincount(merged[:160], minlength=3).tolist() == [10, 112, 38]


def test_groups_of_share_zero_come_last_and_take_turns():
    groups = np.repeat([0, 1, 2], 3)
    assert groups[interleave(groups, np.array([0.0, 1.0, 0.0]))].tolist() == [1, 1, 1, 0, 2, 0, 2, 0, 2]


def test_random_offsets_give_small_groups_their_share_in_expectation():
    groups = np.repeat(np.arange(40), 25)
    shares = np.full(40, 1 / 40)
    drawn = [groups[random_at_shares(groups, shares, np.random.default_rng(seed))[:10]] for seed in range(2_000)]
    counts = np.bincount(np.concatenate(drawn), minlength=40)
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


def test_shares_of_sources_that_are_not_there_are_refused():
    assert shares_of({"b": 2.0}, ["a", "b"], of="x").tolist() == [0, 2]
    assert target_shares(np.array(["b", "b", "a", "b"]), ["a", "b", "c"]).tolist() == [0.25, 0.75, 0]
    with pytest.raises(
        DataError, match=r"the target sample names source 'alpah' \(did you mean 'alpha'\?\).*only alpha"
    ):
        target_shares(np.array(["alpha", "alpah"]), ["alpha"])
