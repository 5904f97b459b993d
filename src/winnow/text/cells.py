"""A value of a row as text: what is no text is never spelled in Python's way.

    cell_text(51.0, "column 'answer'")                                    # "51.0"
    cell_text([{"type": "text", "text": "hi"}], "column 'prompt'")        # "hi": the text parts of a message
    cell_text({"text": ["Bob"]}, "column 'answer'")                       # raises Unreadable: a dict in column 'answer'
    turns_of_cell([{"role": "user", "content": "hi"}], "column 'messages'", CHAT_KEYS)        # (("user", "hi"),)

Text and finite numbers are read as they stand, true and false as JSON spells them, null and NaN as nothing, a list of
one value as that value. All else is refused: a list of texts may be lines or choices, and bytes may be anything.
"""

import math
import numbers
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from winnow.errors import DataError
from winnow.text.examples import ASSISTANT, USER, Message

TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of the parts of a message that are text."""
CALLS = ("tool_calls", "function_call")
"""What a turn may hold beside its text, which is no text."""
CHAT_KEYS, SHAREGPT_KEYS = ("role", "content"), ("from", "value")
SPEAKERS = {"human": USER, "user": USER, "system": "system"} | dict.fromkeys(
    ("gpt", "chatgpt", "assistant", "model", "bing", "bard"), ASSISTANT
)
"""Who speaks under the keys of ShareGPT -> role."""
LONGEST_NAME = 40


class Unreadable(DataError):  # noqa: N818 (a reason, counted more often than raised)
    """A row that cannot be read; `reason` follows "with" where such rows are counted."""

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(message or f"a row has {reason}")
        self.reason = reason


def cell_text(value: Any, place: str) -> str:
    """The value as text, empty where there is none. Raises Unreadable where it is no text."""
    if value == []:
        return ""
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0], place) if not isinstance(value[0], dict) else _parts_text(value, place)
    return _text(value, place)


def _text(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, numbers.Integral) or (isinstance(value, numbers.Real | Decimal) and math.isfinite(value)):
        return _number_text(value, place)
    if isinstance(value, dict):
        return _parts_text([value], place)
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return _parts_text(value, place)
    raise Unreadable(f"{kind_of(value)} in {place}")


def _number_text(value: Any, place: str) -> str:
    try:
        return str(value)
    except ValueError as error:  # Python spells no whole number of more than 4,300 digits
        raise Unreadable(f"a number of thousands of digits in {place}") from error


def is_missing(value: Any) -> bool:
    """Whether it stands for no value: null, or a number that is none."""
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is None or (isinstance(value, float) and math.isnan(value))


def kind_of(value: Any) -> str:
    """What a value is, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, numbers.Real | Decimal) and not isinstance(value, numbers.Integral):
        return "an infinite number"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _parts_text(parts: list[Any], place: str) -> str:
    """The texts of a message's parts, one after the other, as chat templates lay them out."""
    typed = [each for each in parts if isinstance(each, dict) and isinstance(each.get("type"), str)]
    if not typed:
        raise Unreadable(f"{kind_of(parts[0] if len(parts) == 1 else parts)} in {place}")
    return "".join(_part_text(each, place) for each in parts)


def _part_text(part: Any, place: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    shown = f"a part of type {shortened(kind)}" if isinstance(kind, str) else kind_of(part)
    raise Unreadable(f"{shown}{' without text' if kind in TEXT_PARTS else ''} in {place}")


def shortened(name: str) -> str:
    """A name out of a row, as it may stand in a message."""
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")


def turns_of_cell(value: Any, place: str, keys: tuple[str, str]) -> tuple[Message, ...]:
    """The turns of a conversation; an empty text where one has none. Raises Unreadable where it is no list of turns."""
    if is_missing(value):
        return ()
    if not isinstance(value, list):
        found = "a text" if isinstance(value, str) else kind_of(value)
        raise Unreadable(f"{found} instead of turns in {place}")
    return tuple(_turn(each, place, keys) for each in value)


def _turn(value: Any, place: str, keys: tuple[str, str]) -> Message:
    speaker, said = keys
    role = value.get(speaker) if isinstance(value, Mapping) else None
    if not isinstance(role, str) or said not in value:
        raise Unreadable(f"a turn without {speaker} and {said} in {place}")
    if call := next((each for each in CALLS if value.get(each)), None):
        raise Unreadable(f"a turn with {call} in {place}")
    if keys == SHAREGPT_KEYS:
        if role not in SPEAKERS:
            raise Unreadable(f"a turn from {shortened(role)} in {place}")
        role = SPEAKERS[role]
    return role, cell_text(value[said], place)
