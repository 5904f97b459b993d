"""How people and programs spell a number or a truth in a recipe, made plain for the schema, which takes no other.

as_meant("1e-3", {float})      # 0.001: parsers of YAML 1.1 leave it as text
as_meant(2e4, {int})           # 20000
as_meant("off", {bool})        # False, as in YAML 1.1
as_meant("3", {int})           # "3": text, which the schema refuses
"""

import math
import numbers
import re
import sys
import typing
from collections.abc import Collection, Iterator
from typing import Any

EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", re.ASCII)
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def as_meant(value: Any, kinds: Collection[Any]) -> Any:
    """The value, of a list or mapping every one in it, as Python has it; whatever is of another kind as it is."""
    if isinstance(value, list | tuple):
        return [as_meant(each, kinds) for each in value]
    if isinstance(value, dict):
        return {key: as_meant(each, kinds) for key, each in value.items()}
    if bool in kinds:
        return TRUTHS.get(value.lower(), value) if isinstance(value, str) else value
    return _number(value, is_whole=float not in kinds)


def kinds_in(annotation: Any) -> Iterator[Any]:
    """The types of the values that a field may hold, in lists and mappings too, keys left out."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Ellipsis:  # of tuple[int, ...]
        return
    if origin is None:
        yield annotation
    elif origin is typing.Annotated:
        yield from kinds_in(arguments[0])
    elif origin is dict:
        yield from kinds_in(arguments[1])
    elif origin is typing.Literal:
        yield from map(type, arguments)
    else:
        for each in arguments:
            yield from kinds_in(each)


def _number(value: Any, *, is_whole: bool) -> Any:
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool | int | float):  # one of numpy's
        value = int(value) if isinstance(value, numbers.Integral) else float(value)
    if is_whole:
        return int(value) if isinstance(value, float) and value.is_integer() else value
    is_endless = isinstance(value, int) and not isinstance(value, bool) and abs(value) > sys.float_info.max
    return (math.inf if value > 0 else -math.inf) if is_endless else value  # no float holds it
