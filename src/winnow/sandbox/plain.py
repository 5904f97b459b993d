"""Plain data between a program and its judge, as text that can build nothing else.

    decode(encode([1, (2.5, None), {"a": {3}}]))    # the same again, new

Numbers, text, bytes, None, and lists, tuples, sets and dicts of them; objects of classes derived from these go over as
plain ones, so that an object that says it equals everything cannot. The file is run inside the sandbox too, and uses
the standard library alone.
"""

import json
from typing import Any

ROWS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class NotPlain(Exception):  # noqa: N818  not an error of the program
    """A value is no plain data."""


def encode(value: Any) -> str:
    """One line of text. Raises NotPlain."""
    try:
        return json.dumps(_to_tree(value))
    except (RecursionError, ValueError) as error:
        raise NotPlain(f"a {type(value).__name__} too deep or too long") from error


def decode(text: str | bytes) -> Any:
    """The value of such a line. Raises ValueError, RecursionError, TypeError or KeyError where it is none."""
    return _from_tree(json.loads(text))


def _to_tree(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, complex):
        return ["complex", [value.real, value.imag]]
    if isinstance(value, bytes):
        return ["bytes", bytes(value).decode("latin-1")]
    if isinstance(value, dict):
        return ["dict", [[_to_tree(key), _to_tree(held)] for key, held in dict.items(value)]]
    for name, kind in ROWS.items():
        if isinstance(value, kind):
            return [name, [_to_tree(held) for held in kind.__iter__(value)]]
    raise NotPlain(type(value).__name__)


def _from_tree(tree: Any) -> Any:
    if not isinstance(tree, list):
        return tree
    name, held = tree
    if name == "complex":
        return complex(*held)
    if name == "bytes":
        return held.encode("latin-1")
    if name == "dict":
        return {_from_tree(key): _from_tree(value) for key, value in held}
    return ROWS[name](map(_from_tree, held))
