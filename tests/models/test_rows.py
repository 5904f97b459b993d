from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from winnow.errors import DataError
from winnow.models.rows import pack, packed_rows, pad, sft_rows

EOS = 9


def examples(*pairs):
    prompts, completions = zip(*pairs, strict=True)
    names = [f"x{i}" for i in range(len(pairs))]
    return pa.table({"id": names, "prompt_ids": list(prompts), "completion_ids": list(completions)})


def test_the_prompt_is_masked_and_the_end_is_a_target():
    rows = sft_rows(examples(([1, 2, 3], [4, 5, EOS]), ([1], [6, EOS])), loss_on="completion")
    batch = pad(rows, np.array([1, 0]))
    assert batch.ids.tolist() == [[1, 6, EOS, 0, 0, 0], [1, 2, 3, 4, 5, EOS]]
    assert batch.is_target.int().tolist() == [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    assert (batch.rows, batch.real_tokens) == ([1, 0], 9)


def test_loss_on_all_takes_every_token_but_the_first():
    rows = sft_rows(examples(([1, 2, 3], [4, EOS])), loss_on="all")
    assert pad(rows, np.array([0])).is_target.int().tolist() == [[0, 1, 1, 1, 1]]


@pytest.mark.parametrize("bad", [([1, 2], []), ([], [EOS])])
def test_a_row_without_target_is_refused(bad):
    with pytest.raises(DataError, match="1 examples have no completion to learn, such as x1; drop them"):
        sft_rows(examples(([1], [EOS]), bad), loss_on="completion")


@pytest.mark.parametrize(("mask", "message"), [([0] * 5, "no token .* all zero"), ([1] * 5, "every token .* all one")])
def test_a_mask_that_tells_nothing_apart_is_refused(mask, message):
    table = pa.table({
        "id": ["talk", "text"], "prompt_ids": [[1, 2, 3], []], "completion_ids": [[4, 5], [6, 7, 8]],
        "is_target": [[bool(each) for each in mask], None],
    })  # fmt: skip
    with pytest.raises(DataError, match=message):
        sft_rows(table, loss_on="completion")
    text = table.slice(1)
    assert sft_rows(text, loss_on="completion").targets(0).tolist() == [False, True, True]


def test_an_end_token_inside_a_row_stays_a_target_and_padding_never_is_one():
    """The toy models pad with the id of their end token; the mask goes by position, not by id."""
    rows = sft_rows(examples(([1], [0]), ([1], [2, 3, 0])), loss_on="completion")
    assert pad(rows, np.array([0, 1])).is_target.int().tolist() == [[0, 1, 0, 0], [0, 1, 1, 1]]


def test_documents_are_packed_end_to_end():
    rows = packed_rows([[1, 2, 3], [4], [5, 6, 7]], context_tokens=4, eos_id=EOS)
    assert [rows.row(i).tolist() for i in range(2)] == [[1, 2, 3, EOS], [4, EOS, 5, 6]]
    assert rows.lengths.tolist() == [4, 4] and rows.target_from.tolist() == [1, 1]
    with pytest.raises(DataError, match="the text has 2 tokens, less than one sequence of 4"):
        packed_rows([[1]], context_tokens=4, eos_id=EOS)


def test_rows_can_be_taken_in_any_order():
    rows = sft_rows(examples(([1], [2, EOS]), ([3, 4], [EOS]), ([5], [6])), loss_on="completion")
    taken = rows.take([2, 0])
    assert taken.names == ["x2", "x0"] and taken.row(1).tolist() == [1, 2, EOS]
    assert taken.target_from.tolist() == [1, 1]
    assert rows.take([]).names == []


def test_packed_rows_stand_end_to_end_with_their_own_positions_and_targets():
    rows = sft_rows(examples(([1, 2, 3], [4, EOS]), ([5], [6, EOS]), ([], [7, EOS])), loss_on="completion")
    batch = pack(rows, [[0], [1, 2]])
    assert batch.ids.tolist() == [[1, 2, 3, 4, EOS], [5, 6, EOS, 7, EOS]]
    assert batch.is_target.int().tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 0, 1]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]]
    assert batch.example_of.tolist() == [[0] * 5, [1, 1, 1, 2, 2]]
    assert (batch.rows, batch.real_tokens) == ([0, 1, 2], 10)
    assert batch.examples_of_targets().tolist() == [0, 0, 1, 1, 2]


def test_padding_behind_packed_rows_is_nobodys_neighbour():
    rows = sft_rows(examples(([1, 2, 3], [4, EOS]), ([5], [EOS])), loss_on="all")
    batch = pack(rows, [[0], [1]])
    assert batch.ids.tolist()[1] == [5, EOS, 0, 0, 0]
    assert batch.positions.tolist()[1] == [0, 1, 0, 0, 0]
    assert batch.is_target.int().tolist()[1] == [0, 1, 0, 0, 0]


def test_packed_targets_have_the_weights_of_their_rows():
    rows = replace(sft_rows(examples(([1], [4, EOS]), ([5], [EOS])), loss_on="completion"), weights=np.array([0.5, 2]))
    batch = pack(rows, [[1, 0]])
    assert batch.target_weights().tolist() == [2.0, 0.5, 0.5] and batch.total_weight() == 3.0
