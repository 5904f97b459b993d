"""Open answers: measured by loss alone, asked for no exact match, counted in no average of it."""

import numpy as np
import pytest

from winnow.evaluation import scoring
from winnow.evaluation.scoring import ItemScores, averages
from winnow.evaluation.sets import EvaluationSet
from winnow.models.rows import rows_of


def scores(correct, is_open=None, loss=1.0):
    size = len(correct)
    flags = np.array(correct, bool)
    return ItemScores(
        np.full(size, loss), np.ones(size, int), [""] * size, [None] * size, flags, flags, 0, np.ones(size, bool),
        None if is_open is None else np.array(is_open, bool),
    )  # fmt: skip


def test_exact_match_is_over_the_items_that_have_final_answers():
    mixed, final, opened = scores([1, 0, 0], [0, 0, 1]), scores([1, 1]), scores([0, 0], [1, 1])
    assert [each.exact_match for each in (mixed, final, opened)] == [0.5, 1.0, None]
    assert [int((~each.is_asked).sum()) for each in (mixed, final, opened)] == [1, 0, 2]
    micro, macro = averages([mixed, final, opened])
    assert (micro["exact_match"], macro["exact_match"]) == (3 / 4, 0.75)
    assert averages([opened])[0] == {"loss": 1.0, "exact_match": None}


@pytest.mark.parametrize("is_open", [(False, True, False), (True, True, True)])
def test_nothing_is_generated_for_open_answers(monkeypatch, is_open):
    asked = []

    def final_alone(model, items, tokenizer, **others):
        asked.extend(items.answers)
        size = len(items.answers)
        return scores([True] * size, loss=2.0)

    monkeypatch.setattr(scoring, "_score_answered", final_alone)
    monkeypatch.setattr(scoring, "Losses", lambda model: model)
    monkeypatch.setattr(
        scoring, "row_losses", lambda losses, rows: (np.full(len(rows.names), 7.0), np.full(len(rows.names), 3))
    )
    rows = rows_of(["a", "b", "c"], [np.array([1, 2], np.int32)] * 3, np.ones(3, np.int64))
    items = EvaluationSet("set", rows, [[1]] * 3, ["A", "B", "C"], [0] * 3, None, is_open)
    found = scoring.score_set(None, items, None, eos_id=0, max_new_tokens=1, batch_size=1)
    assert asked == [answer for answer, flag in zip("ABC", is_open, strict=True) if not flag]
    assert found.losses.tolist() == [7.0 if flag else 2.0 for flag in is_open]
    assert found.exact_match == (None if all(is_open) else 1.0)
