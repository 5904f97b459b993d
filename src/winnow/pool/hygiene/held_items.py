"""Which documents hold an evaluation item: two rules of `contamination.py`, for plain text, several times faster.

    finder = HeldItems(items)
    finder.holders(texts)                       # numbers of the texts, numbers of the items

The rules are `equal_question` and `covered_8`, of each text as one question. What makes it fast: words are hashed once
for all texts, most runs of words are ruled out by a table of bits, and a text is compared whole only where it begins
as an item does.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from winnow.pool.hygiene.contamination import COVER_WORDS, MIN_COVER, EvaluationIndex, Item, covers
from winnow.pool.hygiene.words import NUMBER, SPELLED_NUMBER, WORD, Chunks, Ngrams, ngrams, split_words
from winnow.text.questions import fold, question_key, without_options

BEGINNING_LETTERS, BEGINNING_CHARACTERS = 24, 400
"""Letters and digits of ASCII by which beginnings are compared, and characters of a text where they are looked for."""
OPTIONS_CHARACTERS = 20
"""In which `options` or `answer choices` ends, after a space."""
TABLE_BITS = 22
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


class HeldItems:
    """Evaluation items, to look for in documents."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._index, self._words = EvaluationIndex(items), Chunks()
        self.items = self._index.items
        self._beginnings = {_letters(key)[:BEGINNING_LETTERS] for key in self._index.keys}
        self._is_known = np.zeros(1 << TABLE_BITS, bool)
        self._is_known[_places(self._index.covering.hashes)] = True

    def holders(self, texts: Sequence[str]) -> tuple[set[int], set[int]]:
        """Which of these texts hold an item, and which items are held, as numbers of both."""
        equal = [(number, item) for number, text in enumerate(texts) for item in self._equal(text)]
        covering, covered = self._covered(texts)
        return (
            {number for number, _ in equal} | set(covering.tolist()),
            {item for _, item in equal} | set(covered.tolist()),
        )

    def _equal(self, text: str) -> list[int]:
        """The items that have the same letters and digits as the whole text."""
        begins = beginning(text)
        if len(begins) == BEGINNING_LETTERS and begins not in self._beginnings:
            return []
        return self._index.keys.get(question_key(text), [])

    def _covered(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of a text and an item more than half of whose words it covers."""
        stems = [without_options(text) if may_have_options(text) else text for text in texts]
        plain = split_words(stems, self._words).of_kinds(WORD, NUMBER, SPELLED_NUMBER)
        grams = ngrams(plain.hashes, plain.lengths, COVER_WORDS)
        numbers, _, items, places = self._index.covering.matches(self._candidates(grams))
        (numbers, items), words = covers(numbers, items, places)
        is_covered = words / self._index.lengths[items] > MIN_COVER
        return numbers[is_covered], items[is_covered]

    def _candidates(self, grams: Ngrams) -> Ngrams:
        """The runs of words that an item may have, once for each text: how often a text repeats one does not count."""
        kept = np.flatnonzero(self._is_known[_places(grams.hashes)])
        kept = kept[np.lexsort((grams.hashes[kept], grams.texts[kept]))]
        hashes, texts = grams.hashes[kept], grams.texts[kept]
        is_first = np.ones(len(kept), bool)
        is_first[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
        return Ngrams(hashes[is_first], texts[is_first], grams.places[kept[is_first]])


def beginning(text: str) -> str:
    """The first `BEGINNING_LETTERS` letters and digits of ASCII of a text's `question_key`; fewer where it is not sure.

    The text is cut before a character of ASCII, which no form of Unicode joins to what stands before it, and what of
    its key is of ASCII is the same with and without other letters.
    """
    end = BEGINNING_CHARACTERS
    while end < len(text) and not text[end].isascii():
        end += 1
    if may_have_options(text[: end + OPTIONS_CHARACTERS]):
        return ""
    return _letters(fold(text[:end]))[:BEGINNING_LETTERS]


def may_have_options(text: str) -> bool:
    """False only where `without_options` leaves a text as it is; some letters are an i or an s in another case."""
    lower = text.lower()
    return "options" in lower or "choices" in lower or any(letter in text for letter in "İıſ")


def _letters(folded: str) -> str:
    """The letters and digits of ASCII alone."""
    return NOT_ASCII.sub("", re.sub(r"[\W_]+", "", folded))


def _places(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where hashes stand in the table of bits."""
    return (hashes >> np.uint64(64 - TABLE_BITS)).astype(np.int64)
