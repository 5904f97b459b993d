"""Which evaluation items stand in training data, by three rules that the field uses, per training source.

    index = EvaluationIndex(items)
    hits = index.hits(rows)                    # a shard of a training source; any number of shards

- `equal_question`: the same question, but for case, spacing and punctuation (`question_key`).
- `covered_8`: more than half of the item's words stand in runs of eight words that it shares with one training
  question (Lambert et al. 2024, Tulu 3, section 3.2: prompts alone, one training instance at a time).
- `shared_13`: the item shares a run of thirteen words with the row, question or answer, digits and punctuation left
  out (Liu et al. 2023, TinyGSM, section 2); `shared_8`, the same with eight, is reported and never acted upon.

An item of fewer words than a run has is found by `equal_question` alone. Words are compared, not meanings: a question
put in other words is not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from winnow.pool.hygiene.words import NUMBER, SPELLED_NUMBER, WORD, Ngrams, ngrams, split_words
from winnow.text.questions import question_key, without_options

COVER_WORDS, MIN_COVER = 8, 0.5
LONG, SHORT = 13, 8
EQUAL, COVERED, SHARED_LONG, SHARED_SHORT = RULES = ("equal_question", "covered_8", "shared_13", "shared_8")


@dataclass(frozen=True)
class Item:
    """One evaluation item."""

    set: str
    id: str
    question: str


@dataclass(frozen=True)
class Row:
    """One row that would be trained on."""

    id: str
    questions: tuple[str, ...]
    """Its question; of a conversation the user's turns too."""
    text: str
    """All that it says, question and answer."""


@dataclass
class Hits:
    """What of the evaluation items was found in some rows."""

    rows: dict[str, set[str]] = field(default_factory=dict)
    """Rule -> ids of the rows it finds."""
    items: dict[str, dict[int, str]] = field(default_factory=dict)
    """Rule -> number of the item -> a row that it stands in: the one of greatest cover, else the first."""
    cover: dict[int, float] = field(default_factory=dict)
    """Number of the item -> greatest share of its words that one row's question covers, where that is above 0."""

    def add(self, other: "Hits") -> None:
        """Take in the hits of another shard."""
        for rule, rows in other.rows.items():
            self.rows.setdefault(rule, set()).update(rows)
        for rule, items in other.items.items():
            mine = self.items.setdefault(rule, {})
            for item, row in items.items():
                is_greater = rule == COVERED and other.cover[item] > self.cover.get(item, 0.0)
                if is_greater or item not in mine:
                    mine[item] = row
        for item, cover in other.cover.items():
            self.cover[item] = max(cover, self.cover.get(item, 0.0))


class EvaluationIndex:
    """The runs of words of all evaluation items, to look rows up in.

    `lengths` are the words of each item, `keys` give the items of a `question_key`, `covering` those of a run of words.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        words = split_words([without_options(item.question) for item in items])
        plain = words.of_kinds(WORD, NUMBER, SPELLED_NUMBER)
        letters = words.of_kinds(WORD)
        self.lengths = plain.lengths
        self.covering = Lookup(ngrams(plain.hashes, plain.lengths, COVER_WORDS))
        self._long = Lookup(ngrams(letters.hashes, letters.lengths, LONG))
        self._short = Lookup(ngrams(letters.hashes, letters.lengths, SHORT))
        self.keys: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            self.keys.setdefault(question_key(item.question), []).append(number)
        self.keys.pop("", None)

    def hits(self, rows: Sequence[Row]) -> Hits:
        """Which items stand in these rows, by each rule."""
        found = Hits({rule: set() for rule in RULES}, {rule: {} for rule in RULES})
        self._find_equal(rows, found)
        self._find_covered(rows, found)
        letters = split_words([row.text for row in rows]).of_kinds(WORD)
        for rule, lookup, n in ((SHARED_LONG, self._long, LONG), (SHARED_SHORT, self._short, SHORT)):
            texts, _, items, _ = lookup.matches(ngrams(letters.hashes, letters.lengths, n))
            _enter(found, rule, texts, items, rows)
        return found

    def _find_equal(self, rows: Sequence[Row], found: Hits) -> None:
        for row in rows:
            for question in row.questions:
                for item in self.keys.get(question_key(question), ()):
                    found.rows[EQUAL].add(row.id)
                    found.items[EQUAL].setdefault(item, row.id)

    def _find_covered(self, rows: Sequence[Row], found: Hits) -> None:
        owners = [number for number, row in enumerate(rows) for _ in row.questions]
        words = split_words([without_options(question) for row in rows for question in row.questions])
        plain = words.of_kinds(WORD, NUMBER, SPELLED_NUMBER)
        texts, _, items, places = self.covering.matches(ngrams(plain.hashes, plain.lengths, COVER_WORDS))
        pairs, cover = covers(texts, items, places)
        if not len(cover):
            return
        texts, items = pairs
        shares = cover / self.lengths[items]
        greatest = np.zeros(len(self.items))
        np.maximum.at(greatest, items, shares)
        found.cover = {int(item): float(greatest[item]) for item in np.flatnonzero(greatest)}
        order = np.argsort(-shares, kind="stable")
        above = order[shares[order] > MIN_COVER]
        _enter(found, COVERED, np.array(owners)[texts[above]], items[above], rows)


def _enter(found: Hits, rule: str, texts: NDArray[np.int64], items: NDArray[np.int64], rows: Sequence[Row]) -> None:
    """Note that these items stand in these rows; of several rows of an item the first is named."""
    found.rows[rule].update(rows[text].id for text in np.unique(texts).tolist())
    named, first = np.unique(items, return_index=True)
    found.items[rule] |= {int(item): rows[texts[place]].id for item, place in zip(named, first, strict=True)}


class Lookup:
    """From the hash of a run of words to the items that have it, and where."""

    def __init__(self, grams: Ngrams) -> None:
        order = np.argsort(grams.hashes, kind="stable")
        self.hashes = grams.hashes[order]
        self._items, self._places = grams.texts[order], grams.places[order]

    def matches(self, grams: Ngrams) -> tuple[NDArray[np.int64], ...]:
        """All pairs of an equal run in a text and in an item: text, its place there, item, its place there."""
        low = np.searchsorted(self.hashes, grams.hashes, side="left")
        is_found = low < len(self.hashes)
        is_found[is_found] = self.hashes[low[is_found]] == grams.hashes[is_found]
        low, kept = low[is_found], np.flatnonzero(is_found)
        times = np.searchsorted(self.hashes, grams.hashes[kept], side="right") - low
        one = np.repeat(kept, times)
        other = np.repeat(low, times) + np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return grams.texts[one], grams.places[one], self._items[other], self._places[other]


def covers(
    texts: NDArray[np.int64], items: NDArray[np.int64], places: NDArray[np.int64], n: int = COVER_WORDS
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]:
    """Per pair of text and item, how many of the item's words stand in shared runs of n words.

    Gives ((texts, items), words), each [pairs]; a word that stands in several runs counts once.
    """
    if not len(texts):
        return (texts, items), texts
    order = np.lexsort((places, items, texts))
    texts, items, places = texts[order], items[order], places[order]
    is_last = np.ones(len(texts), bool)
    is_last[:-1] = (texts[1:] != texts[:-1]) | (items[1:] != items[:-1])
    step = np.full(len(texts), n)
    step[:-1] = np.where(is_last[:-1], n, np.minimum(n, np.diff(places)))
    ends = np.flatnonzero(is_last)
    total = np.concatenate([[0], np.cumsum(step)])
    starts = np.concatenate([[0], ends[:-1] + 1])
    return (texts[ends], items[ends]), total[ends + 1] - total[starts]


@dataclass(frozen=True)
class SourceRow:
    """One cell of the contamination table: a training source against an evaluation set."""

    source: str
    set: str
    items: int
    """Of the set, all of them."""
    hits: dict[str, int]
    """Rule -> items of the set that stand in the source."""

    def percent(self, rule: str) -> float:
        """Percent of the set's items that stand in the source."""
        return percent(self.hits[rule], self.items)


def percent(hits: int, items: int) -> float:
    """100 hits / items, rounded half up to two places."""
    return (20_000 * hits + items) // (2 * items) / 100


def table(source: str, hits: Hits, items: Sequence[Item]) -> list[SourceRow]:
    """The contamination of one source, set by set."""
    sizes: dict[str, int] = {}
    for each in items:
        sizes[each.set] = sizes.get(each.set, 0) + 1
    counts = {name: dict.fromkeys(RULES, 0) for name in sizes}
    for rule, found in hits.items.items():
        for item in found:
            counts[items[item].set][rule] += 1
    return [SourceRow(source, name, sizes[name], counts[name]) for name in sizes]
