"""G12: the percentages of published contamination tables, from so many planted overlaps."""

import pytest

from winnow.pool.hygiene.contamination import EvaluationIndex, Item, Row, table

PUBLISHED = [
    ("GSM8K", 1319, 1, 0.08),
    ("TruthfulQA", 817, 12, 1.47),
    ("TruthfulQA", 817, 5, 0.61),
    ("TruthfulQA", 817, 1, 0.12),
    ("AlpacaEval", 805, 11, 1.37),
    ("AlpacaEval", 805, 10, 1.24),
    ("AlpacaEval", 805, 1, 0.12),
    ("MATH", 5000, 12, 0.24),
    ("MATH", 5000, 3, 0.06),
    ("MATH", 5000, 1, 0.02),
]


@pytest.mark.parametrize(("name", "size", "planted", "percent"), PUBLISHED)
def test_planted_items_give_the_published_percentage(name, size, planted, percent):
    questions = [" ".join(f"word{number}of{place}" for place in range(9)) for number in range(size)]
    index = EvaluationIndex([Item(name, str(number), question) for number, question in enumerate(questions)])
    rows = [Row(str(number), (f"{questions[number]} please",), "") for number in range(planted)]
    (found,) = table("training", index.hits(rows), index.items)
    assert (found.hits["covered_8"], found.percent("covered_8")) == (planted, percent)
