"""Pieces of YAML 1.2, parsed within bounds: a recipe is written by people, and no text may fill the memory."""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from winnow.errors import RecipeError
from winnow.recipe.refusals import as_written

MOST_VALUES, MOST_LEVELS = 100_000, 100
"""Of a piece of YAML, aliases followed: beyond lies a slip, or an attempt to fill the memory."""
MOST_OPEN = 200
"""Brackets that are open at once; the parser's time grows with the square of that."""


def parse_yaml(text: str, what: str) -> Any:
    """The value of a piece of YAML 1.2 (`2e-4` is a number). Raises RecipeError naming `what`."""
    opened = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    try:
        if max(opened, default=0) > MOST_OPEN:
            raise RecursionError
        value = YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise RecipeError(f"{what} is not valid YAML: it is nested too deeply; write it flat") from error
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:  # ruamel's own, and its int()
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(f"{what}{where} is not valid YAML: {_problem(error)}") from error
    for problem in _unfit(value):
        raise RecipeError(f"{what} {problem}")
    return value


def _problem(error: Exception) -> str:
    """What the parser or Python says of a value."""
    found = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition(";")[0]
    return str(found) if found and not isinstance(error, LookupError | AttributeError) else "it cannot be parsed"


def _unfit(value: Any) -> Iterator[str]:
    """What makes a parsed value none that a recipe can hold: its size, its depth, its keys or its characters."""
    todo, count = [(value, 0)], 0
    while todo:
        inner, depth = todo.pop()
        count += 1
        if count > MOST_VALUES or depth > MOST_LEVELS:
            yield "holds more values than any recipe, or an alias that holds itself; write it out without `&` and `*`"
            return
        if isinstance(inner, str) and any(c not in "\n\t" and _is_control(c) for c in inner):
            yield f"holds a character that cannot be printed, in {as_written(inner)}; remove it"
        if isinstance(inner, dict):
            odd = [key for key in inner if not isinstance(key, str)]
            yield from (f"has the key {as_written(key)}, which is no text; put it in quotes" for key in odd)
            todo += [(part, depth + 1) for part in (*inner, *inner.values()) if part not in odd]
        elif isinstance(inner, list | tuple | set):
            todo += [(part, depth + 1) for part in inner]


def _is_control(character: str) -> bool:
    """Whether it is a control character or half of a pair, which no file can hold."""
    number = ord(character)
    return number < 0x20 or 0x7F <= number < 0xA0 or 0xD800 <= number < 0xE000
