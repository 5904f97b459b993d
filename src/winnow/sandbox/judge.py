"""The judge: a process beside the program's that runs the tests and calls the program's functions across a pipe.

The program never sees the tests, and the judge never holds anything of the program but plain data. So nothing that a
program prints, patches or raises, and no way in which it ends, makes tests pass that do not.
"""

import builtins
import json
from collections.abc import Callable
from typing import Any, TextIO

from winnow.sandbox.numbers import shown, to_number
from winnow.sandbox.plain import NotPlain, decode, encode

LONGEST_LINE = 16 << 20
STEERING = "StopIteration", "StopAsyncIteration", "SkipTest"
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


class Unsupported(BaseException):
    """A test needs more of the program than calls with plain data. No Exception, so that no test catches it."""


class Ended(BaseException):
    """The program's process is gone, or answers nonsense."""


class Program:
    """The program in its other process."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self._requests, self._answers = requests, answers
        self.fault: Unsupported | Ended | None = None
        """Why no verdict can be given, also where a test's bare `except:` went on from there."""

    def ask(self, request: dict[str, Any]) -> list[Any]:
        """Its answer; raises Ended where none comes."""
        try:
            print(json.dumps(request), file=self._requests, flush=True)
            line = self._answers.readline(LONGEST_LINE)
            answer = json.loads(line) if line.endswith("\n") else None
        except (OSError, *MALFORMED) as error:
            raise self.ending(Ended()) from error
        if not isinstance(answer, list) or not answer:
            raise self.ending(Ended())
        return answer

    def ending(self, fault: Unsupported | Ended) -> Unsupported | Ended:
        """The fault, kept."""
        self.fault = self.fault or fault
        return fault


def judge(request: dict[str, Any], requests: TextIO, answers: TextIO) -> dict[str, Any]:
    """The verdict on one program: `{"outcome", "reason"}`, and `"value"`, a number, where one was asked for."""
    program = Program(requests, answers)
    try:
        loaded = program.ask({"load": request["program"]})
        if loaded[0] != "loaded":
            return _raised(loaded, "error")
        if "value" in request:
            return _value(program.ask({"value": request["value"]}))
        verdict = _run_tests(request, program, loaded[1])
        if program.fault is not None:
            raise program.fault
        return verdict
    except Unsupported as error:
        return {"outcome": "unsupported", "reason": str(error)}
    except (Ended, *MALFORMED):
        return {"outcome": "error", "reason": "the program ended before it was judged"}


def _value(answer: list[Any]) -> dict[str, Any]:
    """The verdict on a calculation: its number, or why there is none."""
    match answer:
        case ["missing"]:
            return {"outcome": "no_result", "reason": "no variable `result`"}
        case ["other", kind]:
            return {"outcome": "non_numeric", "reason": f"`result` is {kind}"}
        case ["returned", text, _]:
            value = decode(text)
            if (number := to_number(value)) is not None:
                return {"outcome": "ok", "reason": "", "value": number}
            return {"outcome": "non_numeric", "reason": f"`result` is {type(value).__name__}: {shown(value)}"}
    return _raised(answer, "error")


def _run_tests(request: dict[str, Any], program: Program, functions: list[str]) -> dict[str, Any]:
    """Run context and tests, with the program's functions in place of those of the context that it had to write."""
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(request["context"], "<context>", "exec"), names)
        entry = request["entry_point"]
        if entry not in functions:
            return {"outcome": "error", "reason": f"the program has no function {entry!r}"}
        for name in functions:
            if name == entry or not (name in names or name == request["check"] or hasattr(builtins, name)):
                names[name] = _stand_in(program, name, names)
        exec(compile(request["tests"], "<tests>", "exec"), names)
        if request["check"]:
            names[request["check"]](names[entry])
    except Exception as error:
        outcome = "memory" if isinstance(error, MemoryError) else "failed"
        return {"outcome": outcome, "reason": f"{type(error).__name__}: {error}".removesuffix(": ")[:1000]}
    return {"outcome": "passed", "reason": ""}


def _stand_in(program: Program, name: str, names: dict[str, Any]) -> Callable[..., Any]:
    """A function that the program's process runs; what it changes in its arguments is changed here too."""

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            packed = encode((list(arguments), named))
        except NotPlain as error:
            raise program.ending(Unsupported(f"{name} is given {error}, which is no plain data")) from error
        answer = program.ask({"call": name, "arguments": packed})
        try:
            if answer[0] == "raised":
                raised = _exception(answer, names)
            elif answer[0] == "other":
                raise program.ending(Unsupported(f"{name} returns {answer[1]}, which is no plain data"))
            else:
                return _returned(answer, arguments, named)
        except MALFORMED as error:
            raise program.ending(Ended()) from error
        raise raised

    call.__name__ = name
    return call


def _returned(answer: list[Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a function gave back, once the tests' own arguments are as it left its copies."""
    returned, given = decode(answer[1]), {str(place): each for place, each in enumerate(arguments)} | named
    for place, text in answer[2].items():
        _change(given[place], decode(text))
    return returned


def _change(argument: Any, new: Any) -> None:
    """Make the tests' own list, dict or set equal to what the program made of its copy."""
    if isinstance(argument, list):
        argument[:] = new
    elif isinstance(argument, dict | set):
        argument.clear()
        argument.update(new)


def _exception(answer: list[Any], names: dict[str, Any]) -> Exception:
    """The nearest of the classes that the program raised which is known here.

    One that would end the tests' own loops, or have a test skipped, is a RuntimeError, as PEP 479 has it.
    """
    _, classes, message, arguments = answer
    for name in classes:
        kind = names.get(name, getattr(builtins, name, None))
        if name in STEERING or (isinstance(kind, type) and _is_steering(kind)):
            break
        if isinstance(kind, type) and issubclass(kind, Exception):
            return _made(kind, decode(arguments))
    return RuntimeError(f"{classes[0]}: {message}")


def _is_steering(kind: type) -> bool:
    return any(base.__name__ in STEERING for base in kind.__mro__)


def _made(kind: type[Exception], arguments: Any) -> Exception:
    """An exception of this class; of the tests' own ones whose making takes other arguments, one that was not made."""
    try:
        return kind(*arguments)
    except Exception:
        made = kind.__new__(kind)
        made.args = tuple(arguments)
        return made


def _raised(answer: list[Any], outcome: str) -> dict[str, Any]:
    """A verdict on a program that raised something while it was loaded."""
    _, classes, message, _ = answer
    if classes[0] == "MemoryError":
        outcome = "memory"
    return {"outcome": outcome, "reason": f"{classes[0]}: {message}".removesuffix(": ")[:1000]}
