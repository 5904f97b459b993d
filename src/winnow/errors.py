"""Everything winnow raises for its users, on one page.

A message says what was found, what is allowed and what to do; the command line prints it as one line
and leaves with `exit_code`.
"""

import difflib
import os
import reprlib
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from winnow.credentials import masked

MOST_SHOWN = 50
"""Mistakes of one recipe that are listed."""
LONGEST = 900
"""Characters of a message; what is longer, such as a path of thousands of letters, is cut in its middle."""


class WinnowError(Exception):
    """Base of all errors that a user can mend: one line of characters that can be printed, whatever was found."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())

    @property
    def lines(self) -> tuple[str, ...]:
        """What the command line prints: one line for one mistake."""
        return (str(self),)

    @property
    def mistakes(self) -> tuple[str, ...]:
        """All that is wrong, a line for each."""
        return (str(self),)


class RecipeError(WinnowError):
    """A recipe, or an option that overrides it, asks for something that is not there or not allowed."""

    rest: Any = None
    """The recipe without what is wrong in it, where more can be told of that."""


class MistakesError(RecipeError):
    """All that is wrong with a recipe, where that is more than one thing: a line for each."""

    def __init__(self, mistakes: Sequence[str], what: str = "the recipe") -> None:
        super().__init__(mistakes, what)
        self._mistakes = tuple(map(one_line, mistakes))
        self.what = what

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def mistakes(self) -> tuple[str, ...]:
        """All of them."""
        return self._mistakes

    @property
    def lines(self) -> tuple[str, ...]:
        """How many there are and where, then each."""
        shown = self.mistakes[:MOST_SHOWN]
        more = len(self.mistakes) - len(shown)
        head = one_line(f"{len(self.mistakes)} mistakes in {self.what}:")
        return (head, *(f"  {each}" for each in shown), *([f"  and {more} more"] if more else []))


class DataError(WinnowError):
    """Data that was read is missing, empty, or not of the shape its format promises."""


class ArtifactError(WinnowError):
    """A stored artifact, checkpoint or study folder is damaged or belongs to something else."""


class BudgetError(WinnowError):
    """A budget cannot pay for what is asked."""


class NotAffordableError(BudgetError):
    """What an arm needs before it trains costs more than its budget; the study goes on without it."""


class TrainingError(WinnowError):
    """A run cannot go on, such as when its loss is no number."""


class SandboxError(WinnowError):
    """Programs that a model wrote cannot be run, or not as confined as they have to be."""


class TeacherError(WinnowError):
    """A teacher does not answer, or not in a way that can be used."""


class TrackerError(WinnowError):
    """A tracker does not take what it was asked to be sent."""


class PublishError(WinnowError):
    """A study cannot be published as it is, or a hub does not take it."""


class UnavailableError(WinnowError):
    """One of several things that were asked for cannot be had here; the others go on, and this one is named."""


def refused(mistakes: Sequence[str], what: str = "the recipe") -> RecipeError:
    """The error for these mistakes of a recipe, of which there is one at least."""
    found = list(dict.fromkeys(mistakes))
    return RecipeError(found[0]) if len(found) == 1 else MistakesError(found, what)


def one_line(text: str) -> str:
    """The text without line breaks and passwords, not longer than a line may be, and safe on a terminal."""
    line = masked(visible(" ".join(text.split())))
    return line if len(line) <= LONGEST else f"{line[: LONGEST * 2 // 3]} ... {line[-LONGEST // 4 :]}"


def visible(text: str) -> str:
    """The text in one line, with what cannot be seen (escape sequences, marks that turn the direction) spelled out."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    is_blank = character in "\t\n\r" or unicodedata.category(character).startswith("Z")
    return " " if is_blank else character.encode("unicode_escape", "surrogatepass").decode()


def shown(value: Any) -> str:
    """A value as a message names it: Python's spelling where that is short, else its type."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not (value is None or isinstance(value, str | bytes | int | float | list | tuple | dict | set | frozenset)):
        return f"of type {type(value).__name__}"
    try:
        return _SHORT.repr(value)
    except ValueError:  # more digits than Python prints
        return f"of type {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def nearest(word: Any, known: Iterable[Any]) -> str:
    """ " (did you mean 'x'?)" for the known word closest to `word`; empty where none is close, or it is no text."""
    words = [each for each in known if isinstance(each, str)]
    found = difflib.get_close_matches(word[:100], words, n=1, cutoff=0.6) if isinstance(word, str) else []
    return f" (did you mean {found[0]!r}?)" if found else ""
