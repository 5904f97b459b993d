"""What a row says, and its columns read as text: what formats are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from winnow.pool.sources import Row, column
from winnow.recipe import SourceRecipe
from winnow.text.answers import normalise_answer
from winnow.text.cells import Unreadable, cell_text, kind_of
from winnow.text.examples import Message


@dataclass(frozen=True, slots=True)
class Parts:
    """What a row says, as it says it; the answer is not normalised."""

    question: str
    answer: str
    rationale: str = ""
    options: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    """The turns of a conversation up to its last answer; an empty text where a message has none."""
    is_open: bool = False
    """The answer is open text, to be taken as it stands."""
    prompt: str | None = None
    """What the model is given, to the letter, where the data say it."""
    fault: str | None = None
    """Why the row cannot be read, in words that follow "with"."""


def text_in(row: Row, name: str, source: SourceRecipe) -> str:
    """The text in a column. Raises DataError listing the columns there are, Unreadable where it is no text."""
    return cell_text(column(row, name, source), place_of(name))


def place_of(name: str) -> str:
    """How a reason names a column."""
    return f"column {name!r}"


def letter_of(value: Any, text: str, options: Sequence[str]) -> str:
    """The letter of the right option, which may be given by letter, by its text, or by its position from 0."""
    if normalise_answer(text) in ascii_uppercase[: len(options)]:
        return text
    if text in options:
        return ascii_uppercase[options.index(text)]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        return ascii_uppercase[value]
    return text


def options_in(row: Row, name: str, source: SourceRecipe) -> tuple[str, ...]:
    """The options in a column as texts. Raises Unreadable where they are no list, or one of them is no text."""
    value = column(row, name, source)
    if not isinstance(value, list):
        found = f"options {value!r}"[:80] if isinstance(value, str) else f"options that are {kind_of(value)}"
        message = f"source {source.name!r} has {found}; they must be a list of texts"
        raise Unreadable(f"no list of options in {place_of(name)}", message)
    return tuple(cell_text(each, place_of(name)) for each in value)
