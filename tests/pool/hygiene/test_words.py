import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.pool.hygiene.words import NUMBER, SIGN, SPELLED_NUMBER, WORD, ngrams, split_words


def hashes(text, *kinds):
    return split_words([text]).of_kinds(*(kinds or (WORD, NUMBER, SPELLED_NUMBER, SIGN))).hashes.tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom has 3 eggs.", "tom  has three EGGS"),
        ("rs . 1,000", "Rs.1000"),
        ("ﬁve ½", "five 1⁄2"),
        ("7a", "7 a"),
    ],
)
def test_spelling_does_not_count(one, other):
    assert hashes(one) == hashes(other)


@pytest.mark.parametrize(("one", "other"), [("5 * 3", "5 + 3"), ("3.5 eggs", "35 eggs"), ("12 eggs", "1 2 eggs")])
def test_signs_and_places_of_digits_count(one, other):
    assert hashes(one) != hashes(other)


def test_kinds_are_told_apart():
    assert len(hashes("Tom has 3 eggs + three", WORD)) == 3
    assert len(hashes("Tom has 3 eggs + three", NUMBER)) == 1
    assert len(hashes("Tom has 3 eggs + three", WORD, NUMBER, SPELLED_NUMBER)) == 5


def test_masked_texts_differ_in_numbers_alone():
    words = split_words(["Tom has 3 eggs and 4", "Tom has 40 eggs and 3", "Tom has 4 eggs and three", "Tom has eggs"])
    masked = words.masked().hashes
    assert masked[:6].tolist() == masked[6:12].tolist() == masked[12:18].tolist()
    numbers = words.numbers()
    assert numbers[0] == numbers[2] != numbers[1]
    assert numbers[3] == 0


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), max_size=5), st.integers(1, 4))
def test_ngrams_are_those_of_each_text_alone(texts, n):
    flat = np.array([word for text in texts for word in text], np.uint64)
    found = ngrams(flat, np.array([len(text) for text in texts], np.int64), n)
    expected = [
        (number, place, tuple(text[place : place + n]))
        for number, text in enumerate(texts)
        for place in range(len(text) - n + 1)
    ]
    assert list(zip(found.texts, found.places, strict=True)) == [(number, place) for number, place, _ in expected]
    names = {gram: value for (_, _, gram), value in zip(expected, found.hashes.tolist(), strict=True)}
    assert [names[gram] for _, _, gram in expected] == found.hashes.tolist()
    assert len(set(names.values())) == len(names)


def test_hashes_are_the_same_in_every_process():
    assert hashes("eggs") == [5769224608427222656]
