"""Near-duplicates by MinHash and locality-sensitive hashing (Broder 1997), with the numbers kept.

    sketches = Sketches(folder)                      # or Sketches(), in memory
    for texts in shards:
        sketches.add(texts)
    groups = find_groups(sketches, similarity=0.7)

Texts are compared as sets of runs of three words in which all numbers are alike. Where such sets are nearly equal the
numbers decide: with the same numbers the texts are near-duplicates, with others they are the same text about other
numbers, which is reported apart. (Tools that mask numbers take two word problems of one pattern for copies.)

A text takes 520 bytes, in memory or on disk, and the search some tens of bytes more: texts themselves are not kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from winnow.pool.hygiene.words import Hashes, Lengths, Words, ngrams, run_hash, split_words

SHINGLE_WORDS = 3
HASHES, BANDS, BAND_ROWS = 128, 25, 5
"""Two texts meet in some band with probability 1 - (1 - s^5)^25 at similarity s: 0.990 at 0.7, 0.99995 at 0.8."""
SEED = 1
BLOCK = 65_536
"""Pairs that are compared at once."""
_KEY, _NUMBERS = np.uint64(2**64 - 2**24), np.uint64(2**24 - 1)
"""Bits that sort texts by their key in a band, and within a key by their numbers."""

Groups = NDArray[np.int64]
"""[texts]: the number of the first text of each text's group."""


@dataclass(frozen=True)
class Found:
    """Which texts are copies of which."""

    near: Groups
    """Nearly equal, with the same numbers."""
    masked: Groups
    """Nearly equal but for the numbers; each is a union of groups of `near`."""


class Sketches:
    """What is kept of each text: its signature and one hash of its numbers."""

    def __init__(self, folder: Path | None = None) -> None:
        """In memory, or in two files of a folder that has room for 520 bytes a text."""
        self._folder = folder
        self._parts: list[tuple[NDArray[np.uint32], Hashes]] = []
        self._size = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("signatures", "numbers"):
                (folder / name).write_bytes(b"")

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Sequence[str]) -> None:
        """Take in a shard; the result does not depend on how texts are cut into shards."""
        words = split_words(texts)
        part = signatures(words.masked()), words.numbers()
        self._size += len(texts)
        if self._folder is None:
            self._parts.append(part)
            return
        for name, data in (("signatures", part[0].tobytes()), ("numbers", part[1].tobytes())):
            with (self._folder / name).open("ab") as file:
                file.write(data)

    @property
    def signatures(self) -> NDArray[np.uint32]:
        """[texts, HASHES]; read from disk as needed where there is a folder."""
        if self._folder is not None and self._size:
            return np.memmap(self._folder / "signatures", np.uint32, "r", shape=(self._size, HASHES))
        return np.concatenate([np.empty((0, HASHES), np.uint32), *(signature for signature, _ in self._parts)])

    @property
    def numbers(self) -> Hashes:
        """[texts]"""
        if self._folder is not None:
            return np.fromfile(self._folder / "numbers", np.uint64)
        return np.concatenate([np.empty(0, np.uint64), *(numbers for _, numbers in self._parts)])


def signatures(words: Words) -> NDArray[np.uint32]:
    """MinHash signatures, [texts, HASHES]: the share of equal columns of two estimates their Jaccard similarity.

    A text of fewer than SHINGLE_WORDS words is one shingle; a text without any word is like all such.
    """
    grams = ngrams(words.hashes, words.lengths, SHINGLE_WORDS)
    counts = np.bincount(grams.texts, minlength=len(words.lengths))
    hashes, counts = _with_short(grams.hashes, counts, words)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, HASHES, SEED)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(counts), HASHES)


def _with_short(hashes: Hashes, counts: Lengths, words: Words) -> tuple[Hashes, Lengths]:
    """The shingles and counts with one shingle, all its words, for each text that has none."""
    short = np.flatnonzero(counts == 0)
    if not len(short):
        return hashes, counts
    ends = np.cumsum(words.lengths)
    whole = np.array([run_hash(words.hashes[ends[row] - words.lengths[row] : ends[row]]) for row in short], np.uint64)
    places = np.cumsum(counts)[short]
    counts = counts.copy()
    counts[short] = 1
    return np.insert(hashes, places, whole), counts


def find_groups(sketches: Sketches, *, similarity: float = 0.7) -> Found:
    """The groups of texts that are connected by pairs of at least this estimated similarity, in (0, 1].

    Only pairs that meet in a band are looked at: with the text that a group of equal bands begins with, and with the
    one before.
    """
    rows, numbers = sketches.signatures, sketches.numbers
    near, masked = (np.arange(len(numbers)) for _ in range(2))
    for keys in _band_keys(rows):
        ordered = (keys & _KEY) | (numbers & _NUMBERS)
        order = np.argsort(ordered, kind="stable")
        ordered = ordered[order]
        near = _joined(near, _pairs(order, ordered), rows, similarity, numbers)
        masked = _joined(masked, _pairs(order, ordered & _KEY), rows, similarity, None)
    return Found(near, _joined(masked, np.stack([np.arange(len(near)), near]), rows, 0.0, None))


def _band_keys(rows: NDArray[np.uint32]) -> Iterator[Hashes]:
    """One key per text for each band, [texts]."""
    for band in range(BANDS):
        columns = np.array(rows[:, band * BAND_ROWS : (band + 1) * BAND_ROWS], np.uint64)  # one pass over a file
        keys = np.full(len(rows), band + 1, np.uint64)
        for column in columns.T:
            keys = (keys ^ column) * np.uint64(0x9FB21C651E98DF25)
            keys ^= keys >> np.uint64(32)
        yield keys


def _pairs(order: NDArray[np.int64], keys: Hashes) -> NDArray[np.int64]:
    """Texts of equal keys, [2, pairs]: each with the first one of its key, and with the one before it.

    `keys` are sorted, `order` says whose they are.
    """
    is_new = np.ones(len(keys), bool)
    is_new[1:] = keys[1:] != keys[:-1]
    later = np.flatnonzero(~is_new)
    starts = np.flatnonzero(is_new)
    first = starts[np.searchsorted(starts, later, side="right") - 1]
    far = first < later - 1
    one = np.concatenate([order[later - 1], order[first[far]]])
    return np.stack([one, np.concatenate([order[later], order[later[far]]])])


def _joined(
    groups: Groups, pairs: NDArray[np.int64], rows: NDArray[np.uint32], similarity: float, numbers: Hashes | None
) -> Groups:
    """The groups with those of similar pairs joined; with `numbers`, of pairs whose numbers are equal."""
    one, other = pairs[:, groups[pairs[0]] != groups[pairs[1]]]
    if numbers is not None:
        same = numbers[one] == numbers[other]
        one, other = one[same], other[same]
    blocks = [slice(start, start + BLOCK) for start in range(0, len(one), BLOCK)]
    alike = [(rows[one[block]] == rows[other[block]]).mean(axis=1) >= similarity for block in blocks]
    if not any(block.any() for block in alike):
        return groups
    kept = np.concatenate(alike)
    edges = np.concatenate([groups[one[kept]], np.arange(len(groups))])
    ends = np.concatenate([groups[other[kept]], groups])
    links = coo_array((np.ones(len(edges), bool), (edges, ends)), shape=(len(groups), len(groups)))
    _, labels = connected_components(links, directed=False)
    _, first = np.unique(labels, return_index=True)
    return first[labels]
