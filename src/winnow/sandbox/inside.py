"""The program's side: a fresh interpreter that runs one program and answers calls of its functions.

Started by the keeper as `python -I -S -c` with the text of `plain.py` and of this file; descriptor 3 brings requests, 4
takes answers, a line of JSON each. What is asked, and what comes back:

    {"load": program}                    ["loaded", names of its functions]
    {"call": name, "arguments": text}    ["returned", text, arguments that changed, by their places or names]
    {"value": name}                      ["returned", text, {}] or ["missing"]

or, to each, ["raised", names of its classes, message, text of its arguments], or ["other", type], which is no plain
data.

Nothing that a program does here can decide whether its tests pass: they run in another process, which sees only these
answers. Whatever answers is taken as what the program would have answered.
"""

import json
import operator
import os
import sys
from typing import Any, TextIO

from winnow.sandbox.plain import NotPlain, decode, encode

REQUESTS, ANSWERS = 3, 4


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more."""
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    for line in requests:
        answer = _answer(json.loads(line), names)
        print(json.dumps(answer), file=answers, flush=True)


def _answer(request: dict[str, Any], names: dict[str, Any]) -> list[Any]:
    try:
        if "load" in request:
            exec(compile(request["load"], "<program>", "exec"), names)
            return ["loaded", [name for name, value in names.items() if callable(value)]]
        if "call" in request:
            return _call(names[request["call"]], *decode(request["arguments"]))
        if request["value"] not in names:
            return ["missing"]
        return ["returned", encode(_number(names[request["value"]])), {}]
    except NotPlain as found:
        return ["other", str(found)]
    except BaseException as error:
        return ["raised", [kind.__name__ for kind in type(error).__mro__], str(error)[:1000], _arguments(error)]


def _arguments(error: BaseException) -> str:
    """What the error was made with, or its message where that is no plain data."""
    try:
        return encode(error.args)
    except NotPlain:
        return encode((str(error),))


def _number(value: Any) -> Any:
    """A number of another library, such as sympy's, as Python's own; what is none stays as it is."""
    if value is None or isinstance(value, bool | int | float | str | list | tuple | dict) or _is_truth(value):
        return value
    for convert in (operator.index, float):
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):
            continue
    return value


def _is_truth(value: Any) -> bool:
    """Whether it is numpy's True or False, which are no numbers, as Python's are none."""
    return type(value).__name__ in ("bool", "bool_")


def _call(function: Any, arguments: list[Any], named: dict[str, Any]) -> list[Any]:
    """What a function returns, and those of its arguments that it changed, by their places."""
    given = {str(place): each for place, each in enumerate(arguments)} | named
    before = {place: encode(each) for place, each in given.items()}
    returned = encode(function(*arguments, **named))
    after = {place: encode(each) for place, each in given.items()}
    return ["returned", returned, {place: new for place, new in after.items() if new != before[place]}]


def _main() -> None:
    os.set_inheritable(REQUESTS, False)
    os.set_inheritable(ANSWERS, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with os.fdopen(REQUESTS, encoding="utf-8") as requests, os.fdopen(ANSWERS, "w", encoding="utf-8") as answers:
        serve(requests, answers)


if __name__ == "__main__":
    _main()
