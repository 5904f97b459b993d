"""Documents that hold evaluation items: the fast way finds what the plain one does."""

import gzip
import json
import random
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests_support import SHARED
from winnow.pool.hygiene.contamination import COVERED, EQUAL, EvaluationIndex, Item, Row
from winnow.pool.hygiene.held_items import BEGINNING_CHARACTERS, HeldItems, beginning, may_have_options
from winnow.text.questions import question_key, without_options

PIECES = (
    "a", "b c", "eggs", "3", "three", "½", "ﬁ", "é", "e\u0301", "\u0301", "中", "文", "ſ", "İ", "ı", ".", " ", "\n",
    "-", "_", "Options: (A) 3", "answer choices :", "optıons:", "OPTIONſ :", "x" * 30, "word " * 9, " " * 450, "한",
    "\u1100",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def plainly(questions, documents):
    """Numbers of the documents and of the items, by the index that hygiene uses."""
    items = [Item("set", str(number), question) for number, question in enumerate(questions)]
    rows = [Row(str(number), (text,), text) for number, text in enumerate(documents)]
    hits = EvaluationIndex(items).hits(rows)
    return {int(each) for rule in (EQUAL, COVERED) for each in hits.rows[rule]}, {
        item for rule in (EQUAL, COVERED) for item in hits.items[rule]
    }


def quickly(questions, documents):
    items = [Item("set", str(number), question) for number, question in enumerate(questions)]
    return HeldItems(items).holders(documents)


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, max_size=5))
@example(["x" * 30], ["x" * 29 + "x."])
@example(["x" * 30 + " Options: 3"], ["x" * 30 + " optıons: 4"])
@example(["word " * 40 + "中" * 900], ["word " * 40 + "中" * 900 + "."])
def test_it_finds_what_the_plain_index_does(questions, documents):
    documents = [*documents, *(f"-{question.upper()} " for question in questions), questions[0] + " ".join(documents)]
    assert quickly(questions, documents) == plainly(questions, documents)


@given(texts)
def test_a_beginning_is_that_of_the_key(text):
    ascii_key = "".join(letter for letter in question_key(text) if letter.isascii())
    assert ascii_key.startswith(beginning(text))


@given(texts)
def test_only_texts_that_stay_whole_are_said_to_have_no_options(text):
    assert may_have_options(text) or without_options(text) == text


def test_long_texts_that_begin_as_an_item_are_compared_whole():
    item = "A river runs past the old mill. " * (BEGINNING_CHARACTERS // 16)
    assert quickly([item], [item + "!", item + "x", "x" + item]) == plainly(
        [item], [item + "!", item + "x", "x" + item]
    )
    assert quickly([item.upper()], [item])[0] == {0}


def test_texts_go_in_any_number_of_calls():
    rng = random.Random(0)
    questions = [" ".join(rng.choices("abcdefg", k=20)) for _ in range(20)]
    documents = [" ".join(rng.choices("hijk", k=9)) + f" {question} " for question in questions[::2]] + ["nothing"] * 5
    held = HeldItems([Item("set", str(number), question) for number, question in enumerate(questions)])
    whole = held.holders(documents)
    parts = [held.holders(documents[start : start + 4]) for start in range(0, len(documents), 4)]
    assert whole == (set(range(10)), set(range(0, 20, 2)))
    assert {4 * number + each for number, (found, _) in enumerate(parts) for each in found} == whole[0]
    assert set().union(*(items for _, items in parts)) == whole[1]


def test_words_that_repeat_in_a_text_and_an_item_take_no_time_of_their_product():
    """Of 30,000 equal runs in both, all pairs would take 15 GB."""
    held = HeldItems([Item("set", "a", "no " * 30_000)])
    assert held.holders(["no " * 30_000, "no " * 15_000, "yes " * 30_000]) == ({0, 1}, {0})


@pytest.mark.skipif(not (SHARED / "data" / "text_web").is_dir(), reason="no real text in ../shared/data")
@pytest.mark.parametrize("source", ["web", "reference"])
def test_in_real_text_it_finds_what_the_plain_index_does(source):
    with gzip.open(SHARED / "data" / f"text_{source}" / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [json.loads(line)["text"] for line in islice(file, 150)]
    rng = random.Random(1)
    questions = [document[at : at + rng.choice([80, 400, 3000])] for document in documents[::5] for at in (0, 500)]
    changed = [text.replace("the", "a") for text in documents[:60]] + [text[200:] for text in documents[60:]]
    found = quickly(questions, changed)
    assert found == plainly(questions, changed) and len(found[0]) > 10
