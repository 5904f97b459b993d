import numpy as np
import pytest
import torch

from winnow.models.batch_sizes import cuts, tokens_at_once


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
