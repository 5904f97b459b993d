"""What the texts of a source are like: words, share with LaTeX, languages."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from winnow.pool.cleaning import rank
from winnow.pool.hygiene.words import NUMBER, SPELLED_NUMBER, WORD, split_words

LATEX = re.compile(r"\\[A-Za-z]{2,}|\\[()\[\]]|\$[^$\n\\^_{}]*[\\^_{}][^$\n]*\$")
"""A command, a delimiter, or dollar signs around what is no sum of money."""
LANGUAGE_SAMPLE = 1000
"""Texts of each source whose language is identified, which takes longer than all else that is counted."""
MIN_WORDS = 5
"""A text of fewer words says too little of its language: counted as `unknown`."""
UNKNOWN = "unknown"


@dataclass
class Drawn:
    """A text of the sample whose language is identified."""

    text: str
    words: int
    times: int = 1
    """How often it was there so far."""


@dataclass
class TextStatistics:
    """Counts over the texts of one source, taken in shard by shard; any cut into shards gives the same."""

    seed: int = 0
    texts: int = 0
    words: int = 0
    """Words and numbers."""
    characters: int = 0
    latex: int = 0
    """Texts with LaTeX in them."""
    drawn: dict[bytes, Drawn] = field(default_factory=dict)
    """Rank in the seeded order -> text, in the order of their coming: LANGUAGE_SAMPLE texts of the lowest ranks."""

    def add(self, texts: Sequence[str]) -> None:
        """Take in a shard."""
        lengths = split_words(texts).of_kinds(WORD, NUMBER, SPELLED_NUMBER).lengths
        self.texts += len(texts)
        self.words += int(lengths.sum())
        self.characters += sum(map(len, texts))
        self.latex += sum(LATEX.search(text) is not None for text in texts)
        for text, words in zip(texts, lengths.tolist(), strict=True):
            place = rank(text, self.seed)
            if place in self.drawn:
                self.drawn[place].times += 1
            else:
                self.drawn[place] = Drawn(text, words)
        self._forget()

    def _forget(self) -> None:
        """Leave the lowest ranks that make up LANGUAGE_SAMPLE, a text with all its copies."""
        total, kept = 0, set[bytes]()
        for place in sorted(self.drawn):
            if total >= LANGUAGE_SAMPLE:
                break
            kept.add(place)
            total += self.drawn[place].times
        self.drawn = {place: drawn for place, drawn in self.drawn.items() if place in kept}

    def languages(self) -> Counter[str]:
        """ISO 639-1 code -> texts of the sample."""
        found = Counter[str]()
        for drawn in self.drawn.values():
            found[language_of(drawn.text) if drawn.words >= MIN_WORDS else UNKNOWN] += drawn.times
        return found

    def as_json(self) -> dict[str, Any]:
        """The counts as shares and means, languages from the most frequent on."""
        of = max(1, self.texts)
        languages = self.languages()
        asked = languages.total()
        return {
            "words": self.words,
            "mean_words": self.words / of,
            "characters": self.characters,
            "latex_share": self.latex / of,
            "languages": {name: times / asked for name, times in languages.most_common()},
            "languages_of": asked,
        }


def language_of(text: str) -> str:
    """ISO 639 code of the text's language, the likeliest of those that the identifier knows."""
    import py3langid

    return str(py3langid.classify(text)[0])
