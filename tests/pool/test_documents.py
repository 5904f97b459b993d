import gzip
import json
from math import sqrt

import numpy as np
import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError
from winnow.parts import DocumentsPart, TestsPart
from winnow.pool import documents, random_order
from winnow.pool.cleaning import rank
from winnow.pool.documents import make_documents
from winnow.pool.stages import make_tests
from winnow.recipe import SourceRecipe
from winnow.records import Context

WORDS = [f"word{letter}" for letter in "abcdefghijklmnop"]


def text_of(number, words=12):
    rng = np.random.default_rng(number)
    return " ".join([f"document{number}", *rng.choice(WORDS, words)])


def write(path, texts):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return str(path)


@pytest.fixture
def text(tmp_path):
    """A source of these texts, in one file or several."""

    def build(name, *files, **others):
        paths = [write(tmp_path / f"{name}{number}.jsonl.gz", texts) for number, texts in enumerate(files)]
        return SourceRecipe(name=name, licence="x", format="text", path=tuple(paths), **others)

    return build


@pytest.fixture
def read(stored):
    """What the stage makes of a source: its outcome, and the documents in their order."""

    def build(source, tests=(), sets=(), seed=0):
        evaluation = stored("tests")
        make_tests(TestsPart(sets=sets, text=tests), {}, Context(evaluation.folder))
        folder = stored(f"documents.{source.name}").folder
        outcome = make_documents(DocumentsPart(source=source, seed=seed), {"tests": evaluation}, Context(folder))
        return outcome, pq.read_table(folder / "documents.parquet").to_pylist()

    return build


def test_documents_are_kept_once_in_an_order_that_no_file_decides(text, read):
    texts = [text_of(number) for number in range(50)]
    _, whole = read(text("a", texts))
    outcome, scattered = read(text("a", texts[30:][::-1], texts[:35]))
    assert whole == scattered
    assert sorted(row["text"] for row in whole) == sorted(texts)
    assert (outcome.numbers["read"], outcome.numbers["repeats"], outcome.numbers["documents"]) == (55, 5, 50)
    assert outcome.numbers["bytes"] == sum(len(each.encode()) for each in texts)
    assert [row["text"] for row in whole] != texts
    assert [row["text"] for row in read(text("a", texts), seed=1)[1]] != [row["text"] for row in whole]


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(text, read):
    texts = [text_of(number) for number in range(40)]
    _, whole = read(text("a", texts))
    assert read(text("a", texts, limit=7))[1] == whole[:7]
    words = [len(row["text"].split()) for row in whole]
    _, limited = read(text("a", texts, limit_words=100))
    assert limited == whole[: len(limited)] and sum(words[: len(limited)]) >= 100 > sum(words[: len(limited) - 1])


def test_any_document_is_as_likely_to_be_drawn_whatever_its_length(text, read):
    """Of 30 seeds, the share of short, middle and long documents in the first tenth, within three standard errors."""
    lengths = np.repeat([5, 50, 200, 800], 50)
    source = text("a", [text_of(number, words) for number, words in enumerate(lengths)])
    hits = np.zeros(4)
    for seed in range(30):
        drawn = [len(row["text"].split()) - 1 for row in read(source, seed=seed)[1][:20]]
        hits += [drawn.count(each) for each in (5, 50, 200, 800)]
    share, draws = hits / hits.sum(), hits.sum()
    assert np.abs(share - 0.25).max() < 3 * sqrt(0.25 * 0.75 / draws)


def test_a_document_with_an_evaluation_text_in_it_is_left_out(text, read):
    texts = [text_of(number, 40) for number in range(10)]
    copied = f"Preface.\n{texts[3].upper()}\nAnd an end."
    outcome, kept = read(text("a", [*texts, copied]), tests=(text("held_out", [texts[3], texts[5]]),))
    assert {row["text"] for row in kept} == set(texts) - {texts[3], texts[5]}
    assert outcome.numbers["overlaps"] == 3 and outcome.numbers["found_by_set"] == {"held_out": 2}


def test_a_document_that_tells_an_evaluation_question_is_left_out(text, read, source):
    question = "Tom has 12 eggs and his sister Ann gives him 7 more of hers; how many eggs has Tom in the end?"
    sets = (source("eggs", [(question, "So 19.\n#### 19")]),)
    outcome, kept = read(text("a", [text_of(1), f"From a book of sums: {question} Nineteen."]), sets=sets)
    assert [row["text"] for row in kept] == [text_of(1)] and outcome.numbers["overlaps"] == 1


def test_a_source_that_evaluation_empties_is_told(text, read):
    texts = [text_of(number, 40) for number in range(3)]
    with pytest.raises(DataError, match=r"'a' has no text that can be trained on \(3 stand in evaluation sets\)"):
        read(text("a", texts), tests=(text("held_out", texts),))


def test_a_source_of_one_document_is_read(text, read):
    assert [row["text"] for row in read(text("a", ["Only this."]))[1]] == ["Only this."]


def test_what_is_written_does_not_rest_on_how_many_go_at_once(text, read, monkeypatch):
    texts = [text_of(number) for number in range(60)]
    _, whole = read(text("a", texts))
    monkeypatch.setattr(documents, "BATCH_BYTES", 100)
    assert read(text("a", texts))[1] == whole


def test_files_that_are_too_large_are_cut_and_nothing_else_changes(text, read, monkeypatch, tmp_path):
    texts = [text_of(number) for number in range(300)] + [text_of(7)] * 50
    outcome, whole = read(text("a", texts))
    monkeypatch.setattr(random_order, "FILE_BYTES", 1200)
    monkeypatch.setattr(random_order, "PORTION_CHARACTERS", 90)
    again, cut = read(text("a", texts))
    assert cut == whole and again.numbers == outcome.numbers and outcome.numbers["repeats"] == 50
    with random_order.in_random_order("a", texts, tmp_path / "pieces", seed=0) as opened:
        portions = list(opened)
    assert max(len(portion) for portion in portions) < 9
    found = [document for portion in portions for document, _ in portion]
    ranks = [rank(identity, 0) for identity, _ in found]
    assert ranks == sorted(set(ranks)) and sorted(each for _, each in found) == sorted(set(texts))
    assert not (tmp_path / "pieces").exists()
