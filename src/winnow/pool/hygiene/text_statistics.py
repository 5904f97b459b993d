"""What the texts of a source are like: words, share with LaTeX, languages."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from winnow.pool.cleaning import sample
from winnow.pool.hygiene.words import NUMBER, SPELLED_NUMBER, WORD, split_words

LATEX = re.compile(r"\\[A-Za-z]{2,}|\\[()\[\]]|\$[^$\n]*[\\^_{}][^$\n]*\$")
"""A command, a delimiter, or dollar signs around what is no sum of money."""
LANGUAGE_SAMPLE = 1000
"""Texts of each source whose language is identified, which takes longer than all else that is counted."""
MIN_WORDS = 5
"""A text of fewer words says too little of its language: counted as `unknown`."""
UNKNOWN = "unknown"


@dataclass
class TextStatistics:
    """Counts over the texts of one source."""

    texts: int = 0
    words: int = 0
    """Words and numbers."""
    characters: int = 0
    latex: int = 0
    """Texts with LaTeX in them."""
    languages: Counter[str] = field(default_factory=Counter)
    """ISO 639-1 code -> texts of the sample."""

    def as_json(self) -> dict[str, Any]:
        """The counts as shares and means, languages from the most frequent on."""
        of = max(1, self.texts)
        asked = self.languages.total()
        return {
            "words": self.words,
            "mean_words": self.words / of,
            "characters": self.characters,
            "latex_share": self.latex / of,
            "languages": {name: times / asked for name, times in self.languages.most_common()},
            "languages_of": asked,
        }


def text_statistics(texts: Sequence[str], *, seed: int = 0) -> TextStatistics:
    """The statistics of these texts; languages are of a seeded sample of LANGUAGE_SAMPLE of them."""
    lengths = split_words(texts).of_kinds(WORD, NUMBER, SPELLED_NUMBER).lengths
    drawn = sample(
        list(zip(texts, lengths.tolist(), strict=True)), LANGUAGE_SAMPLE, seed=seed, identity=lambda it: it[0]
    )
    return TextStatistics(
        texts=len(texts),
        words=int(lengths.sum()),
        characters=sum(map(len, texts)),
        latex=sum(LATEX.search(text) is not None for text in texts),
        languages=Counter(language_of(text) if words >= MIN_WORDS else UNKNOWN for text, words in drawn),
    )


def language_of(text: str) -> str:
    """ISO 639 code of the text's language, the likeliest of those that the identifier knows."""
    import py3langid

    return str(py3langid.classify(text)[0])
