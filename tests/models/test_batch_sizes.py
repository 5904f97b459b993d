from itertools import combinations

import numpy as np
import pytest
import torch

from winnow.models.batch_sizes import cuts, least_padded, start_tokens, tokens_at_once

LENGTHS = [3, 3, 4, 9, 10, 20, 21]


@pytest.mark.parametrize("tokens", [1, 7, 50, 1000])
def test_cuts_are_as_large_as_the_tokens_allow(tokens):
    lengths = sorted(np.random.default_rng(0).integers(1, 20, 40).tolist())
    found = cuts(lengths, tokens)
    assert [row for cut in found for row in lengths[cut]] == lengths
    for cut in found:
        rows = cut.stop - cut.start
        assert rows == 1 or rows * lengths[cut.stop - 1] <= tokens
        assert cut.stop == len(lengths) or (rows + 1) * lengths[cut.stop] > tokens


def test_no_rows_are_no_batches():
    assert cuts([], 10) == []


def test_an_accelerator_takes_more_at_once():
    assert tokens_at_once(torch.device("cpu")) < tokens_at_once(torch.device("cuda"))


def tokens(lengths, slices, start):
    return sum(len(lengths[cut]) * max(lengths[cut]) + start for cut in slices)


@pytest.mark.parametrize("start", [0, 2, 5, 40])
@pytest.mark.parametrize("most", [1, 3, 7])
def test_no_other_way_to_cut_takes_fewer_tokens(start, most):
    found = least_padded(LENGTHS, most=most, start=start)
    ways = [
        [slice(first, last) for first, last in zip((0, *inner), (*inner, 7), strict=True)]
        for count in range(7)
        for inner in combinations(range(1, 7), count)
    ]
    allowed = [way for way in ways if all(cut.stop - cut.start <= most for cut in way)]
    assert tokens(LENGTHS, found, start) == min(tokens(LENGTHS, way, start) for way in allowed)
    assert [row for cut in found for row in LENGTHS[cut]] == LENGTHS
    assert all(cut.stop - cut.start <= most for cut in found)


def test_rows_of_one_length_stay_together():
    assert least_padded([7] * 10, most=10, start=1) == [slice(0, 10)]
    assert least_padded([], most=10, start=1) == []


def test_an_accelerator_starts_as_few_micro_batches_as_can_be():
    assert start_tokens(torch.device("cpu")) > 0 and start_tokens(torch.device("cuda")) is None
