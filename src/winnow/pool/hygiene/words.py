"""Texts as arrays of hashed words, and the n-grams of such arrays: what duplicates and contamination are found by.

    words = split_words(["Tom has 3 eggs.", "tom has three eggs"])
    grams = ngrams(words.hashes, words.lengths, 3)

A hash depends on the word alone, so that texts read on different days and machines can be compared.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Lengths = NDArray[np.int64]
Whole = TypeVar("Whole", np.int64, np.uint64)

TOKENS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]|[-+*/^=<>%]")
"""Numbers, words, single characters of scripts without spaces, signs of arithmetic; all else does not count."""
UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"
SPELLED = {word: str(value) for value, word in enumerate(UNITS)} | {
    word: str(10 * value) for value, word in enumerate(TENS, start=2)
}
SPELLED |= {"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000"}

WORD, NUMBER, SPELLED_NUMBER, SIGN = range(4)
"""Kinds of words, in the last two bits of a hash."""
_KIND, _HASH = np.uint64(3), np.uint64(2**64 - 4)
_BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier of the polynomial that an n-gram's hash is."""
MAX_CHUNKS = 500_000
"""Chunks between spaces whose hashes are remembered; beyond that they are forgotten, so that memory is bounded."""


@dataclass(frozen=True)
class Words:
    """The words of some texts, one text after the other."""

    hashes: Hashes
    """[words], kind in the last two bits."""
    lengths: Lengths
    """[texts], words of each."""

    def of_kinds(self, *kinds: int) -> "Words":
        """The words of these kinds alone; a number is the same in digits and spelled out."""
        kept = np.isin(self.hashes & _KIND, np.array(kinds, np.uint64))
        return Words(self.hashes[kept] & _HASH, sums(kept.astype(np.int64), self.lengths))

    def masked(self) -> "Words":
        """All numbers alike."""
        kind = self.hashes & _KIND
        is_number = (kind == NUMBER) | (kind == SPELLED_NUMBER)
        return Words(np.where(is_number, _BASE, self.hashes & _HASH), self.lengths)

    def numbers(self) -> Hashes:
        """One hash for all numbers of a text, whatever their order, [texts]; 0 where it has none."""
        kind = self.hashes & _KIND
        is_number = (kind == NUMBER) | (kind == SPELLED_NUMBER)
        spread = (self.hashes & _HASH) * _BASE
        return sums(np.where(is_number, spread ^ (spread >> np.uint64(29)), np.uint64(0)), self.lengths)


class _Words(dict[str, bytes]):
    """Word -> its hash with its kind, computed when first asked for."""

    def __missing__(self, word: str) -> bytes:
        kind, spelling = (WORD if word[0].isalpha() else SIGN), word
        if word[0].isdigit():
            kind, spelling = NUMBER, word.replace(",", "")
        elif word in SPELLED:
            kind, spelling = SPELLED_NUMBER, SPELLED[word]
        value = int.from_bytes(blake2b(spelling.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        self[word] = (value & ~3 | kind).to_bytes(8, sys.byteorder)
        return self[word]


class Chunks(dict[str, bytes]):
    """What stands between two spaces -> the hashes of its words, computed when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._words = _Words()

    def __missing__(self, chunk: str) -> bytes:
        folded = chunk.lower() if chunk.isascii() else unicodedata.normalize("NFKC", chunk).casefold()
        self[chunk] = found = b"".join([self._words[word] for word in TOKENS.findall(folded)])
        return found

    def forget(self) -> None:
        """Begin anew, so that memory is bounded."""
        self.clear()
        self._words.clear()


def split_words(texts: Sequence[str], known: Chunks | None = None) -> Words:
    """The words of each text, casefolded, in Unicode's compatible form; `known` remembers them from call to call."""
    known, parts = Chunks() if known is None else known, []
    for text in texts:
        parts.append(b"".join(map(known.__getitem__, text.split())))
        if len(known) > MAX_CHUNKS:
            known.forget()
    lengths = np.array([len(part) // 8 for part in parts], np.int64)
    return Words(np.frombuffer(b"".join(parts), np.uint64), lengths)


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of some texts, one text after the other."""

    hashes: Hashes
    """[n-grams]"""
    texts: NDArray[np.int64]
    """[n-grams], which text it is of."""
    places: NDArray[np.int64]
    """[n-grams], at which of the text's words it begins."""


def ngrams(hashes: Hashes, lengths: Lengths, n: int) -> Ngrams:
    """All runs of n words; none for a text of fewer."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    count = len(hashes) - n + 1
    if count <= 0:
        return Ngrams(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    grams = np.zeros(count, np.uint64)
    for place in range(n):
        grams = grams * _BASE + hashes[place : place + count]
    texts = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(count) - offsets[texts[:count]]
    inside = texts[:count] == texts[n - 1 :]
    grams ^= grams >> np.uint64(32)
    return Ngrams(grams[inside], texts[:count][inside], places[inside])


def run_hash(hashes: Hashes) -> np.uint64:
    """One hash for words in their order."""
    return np.uint64(int.from_bytes(blake2b(hashes.astype("<u8").tobytes(), digest_size=8).digest()))


def sums(values: NDArray[Whole], lengths: Lengths) -> NDArray[Whole]:
    """Sum of each run of values, [runs]; 0 for an empty run; 64-bit integers wrap around."""
    total = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values, dtype=values.dtype)])
    ends = np.cumsum(lengths)
    return total[ends] - total[ends - lengths]
