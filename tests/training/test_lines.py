import numpy as np
import pytest

from winnow.training.lines import best_fit, fill_lines


def test_every_member_goes_into_the_fullest_line_with_room():
    assert best_fit([9, 6, 5, 3, 2, 1], 9) == [[0], [1, 3], [2, 4, 5]]


def test_longer_lines_are_taken_where_they_leave_less_empty():
    assert fill_lines(list("abcd"), [10, 6, 6, 4]) == [["a"], ["b", "d"], ["c"]]
    assert fill_lines(list("abc"), [10, 6, 6]) == [["b", "c"], ["a"]]


@pytest.mark.parametrize("seed", range(20))
def test_all_members_once_in_lines_of_bounded_length(seed):
    rng = np.random.default_rng(seed)
    lengths = sorted(rng.integers(1, 50, rng.integers(1, 60)).tolist(), reverse=True)
    lines = fill_lines(list(range(len(lengths))), lengths)
    fills = [sum(lengths[member] for member in line) for line in lines]
    assert sorted(member for line in lines for member in line) == list(range(len(lengths)))
    assert lengths[0] <= fills[0] <= 1.2 * lengths[0] and fills == sorted(fills, reverse=True)
    assert len(lines) * fills[0] <= len(lengths) * lengths[0]
