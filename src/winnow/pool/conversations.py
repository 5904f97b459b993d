"""Conversations as parts of a row: turns in one column, or in a prompt and its completion."""

from collections.abc import Sequence
from typing import Any

from winnow.pool.row_parts import Parts, place_of
from winnow.recipe import SourceRecipe
from winnow.text.answers import answer_of_turn, find_declared
from winnow.text.cells import CHAT_KEYS, cell_text, turns_of_cell
from winnow.text.examples import ASSISTANT, USER, Message
from winnow.text.open_answers import is_open_text


def conversation(turns: Sequence[Message], source: SourceRecipe) -> Parts:
    """The turns up to the assistant's last; its answer is what that declares, else all of it."""
    last = max((at for at, (role, _) in enumerate(turns) if role == ASSISTANT), default=-1)
    kept = tuple(turns[: last + 1])
    question = "\n".join(text for role, text in kept or turns if role == USER)
    if not kept:
        return Parts(question, "")
    said = kept[-1][1]
    if source.answers is None:
        is_open = is_open_text(said) and find_declared(said, 0) is None
    else:
        is_open = source.answers == "open"
    return Parts(question, said if is_open else answer_of_turn(said), messages=kept, is_open=is_open)


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns, rather than a text or the parts of one."""
    return isinstance(value, list) and any(isinstance(each, dict) and "role" in each for each in value)


def turns_in(value: Any, name: str, role: str) -> Sequence[Message]:
    """The turns in a column; a text is one turn of this role."""
    if is_turns(value):
        return turns_of_cell(value, place_of(name), CHAT_KEYS)
    return [(role, cell_text(value, place_of(name)))]
