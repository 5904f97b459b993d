import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.pool.hygiene.contamination import RULES, EvaluationIndex, Hits, Item, Row, percent, table

LONG = (
    "A baker in the small town by the sea sells 12 loaves of bread every morning and 7 cakes every afternoon "
    "while his two daughters count the coins, so how many things does the baker sell in 5 days?"
)
OTHER = "How many legs have 9 spiders together if each of the spiders that sit on the wall has exactly eight legs?"


def find(questions, rows):
    """Rule -> items that stand in the rows, given as questions or (question, answer)."""
    index = EvaluationIndex([Item("set", str(number), question) for number, question in enumerate(questions)])
    given_rows = [(row, "") if isinstance(row, str) else row for row in rows]
    hits = index.hits([Row(str(n), (q,), f"{q} {a}") for n, (q, a) in enumerate(given_rows)])
    return {rule: sorted(items) for rule, items in hits.items.items()}, hits


def test_the_same_question_is_found_by_every_rule():
    found, hits = find([OTHER, LONG], ["Something else entirely?", LONG.upper().replace(",", " ,")])
    assert found == {rule: [1] for rule in RULES}
    assert hits.rows == {rule: {"1"} for rule in RULES}
    assert hits.cover == {1: 1.0}


def test_an_item_inside_a_longer_question_is_covered():
    found, _ = find([LONG], [f"Think of this and write it down. {LONG} Explain each of your steps."])
    assert (found["equal_question"], found["covered_8"], found["shared_13"]) == ([], [0], [0])


def test_other_numbers_leave_a_thirteen_gram_and_little_cover():
    changed = LONG.replace("12", "31").replace("7 cakes", "9 cakes").replace("5 days", "6 weeks")
    found, _ = find([LONG], [changed])
    assert (found["equal_question"], found["shared_13"]) == ([], [0])


def test_cover_is_of_one_row_at_a_time():
    words = LONG.split()
    parts = [" ".join(words[:15]), " ".join(words[15:26]), " ".join(words[26:])]
    found, hits = find([LONG], parts)
    assert found["covered_8"] == []
    assert 0.3 < hits.cover[0] <= 0.5


def test_answers_count_for_thirteen_grams_alone():
    found, _ = find([LONG], [("What now?", LONG)])
    assert (found["covered_8"], found["shared_13"]) == ([], [0])


def test_short_items_are_found_as_equal_questions_alone():
    found, _ = find(["2 + 3 = ?", "?"], ["what is 2 + 3 = ? then", "2+3=", "?"])
    assert found["equal_question"] == [0]
    assert found["covered_8"] == found["shared_8"] == []


def test_inline_options_do_not_count():
    found, _ = find([f"{LONG}\nOptions: (A) 95 (B) 96"], [f"{LONG} Answer Choices: (A) 1 (B) 2"])
    assert found["equal_question"] == found["covered_8"] == [0]


def covered_words(item, row, n=8):
    """The definition, word by word."""
    grams = {tuple(row[place : place + n]) for place in range(len(row) - n + 1)}
    marked = set()
    for place in range(len(item) - n + 1):
        if tuple(item[place : place + n]) in grams:
            marked |= set(range(place, place + n))
    return len(marked)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("ab"), max_size=30), min_size=1, max_size=4),
       st.lists(st.lists(st.sampled_from("ab"), max_size=30), max_size=4))  # fmt: skip
def test_cover_is_what_its_definition_says(items, rows):
    _, hits = find([" ".join(item) for item in items], [" ".join(row) for row in rows])
    for number, item in enumerate(items):
        best = max((covered_words(item, row) for row in rows), default=0)
        assert hits.cover.get(number, 0.0) == pytest.approx(best / len(item) if item else 0.0)
        assert (number in hits.items["covered_8"]) == (
            bool(item) and Fraction(best, max(1, len(item))) > Fraction(1, 2)
        )


def test_shards_change_nothing():
    rng = random.Random(0)
    questions = [" ".join(rng.choice(["ab", "cd", "ef", "gh"]) for _ in range(20)) for _ in range(20)]
    index = EvaluationIndex([Item("set", str(number), question) for number, question in enumerate(questions)])
    rows = [Row(str(number), (question,), question) for number, question in enumerate(questions[::-1] + questions)]
    whole, cut = index.hits(rows), Hits()
    for start in range(0, 40, 3):
        cut.add(index.hits(rows[start : start + 3]))
    assert (cut.rows, cut.cover) == (whole.rows, whole.cover)
    assert {rule: set(items) for rule, items in cut.items.items()} == {r: set(i) for r, i in whole.items.items()}


def test_a_table_counts_items_per_set():
    items = [Item("one", "1", LONG), Item("one", "2", OTHER), Item("two", "1", LONG)]
    rows = table("source", EvaluationIndex(items).hits([Row("r", (LONG,), LONG)]), items)
    assert [(row.set, row.items, row.hits["covered_8"]) for row in rows] == [("one", 2, 1), ("two", 1, 1)]
    assert rows[0].percent("covered_8") == 50.0


def test_percents_are_rounded_half_up():
    assert [percent(hits, items) for hits, items in ((1, 800), (1, 3), (0, 5), (5, 5))] == [0.13, 33.33, 0.0, 100.0]
