"""Arguments of the Python API, checked by what their annotations say.

    @checks_arguments(RecipeError)
    def select(dataset: Any, *, fraction: Fraction | None = None, seed: Seed = 0) -> Selection: ...

    select(rows, fraction="x")      # RecipeError: fraction is 'x'; it must lie in (0, 1]

An argument is looked at where its annotation holds a `Must`, which says what is allowed; pydantic does the checking.
"""

import inspect
import numbers
import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from winnow.errors import WinnowError, nearest, shown

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Must:
    """What an argument must do or be, as its error says it."""

    text: str


def _whole(value: Any) -> Any:
    """1e4 is a whole number, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encodable(text: str) -> str:
    """The text, if files can hold it."""
    text.encode()  # raises ValueError for half of a character
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def _path(path: str | Path) -> str | Path:
    """The path, if the operating system takes such paths."""
    name = os.fsencode(path)  # raises ValueError for what no name of a file can hold
    if not name or b"\0" in name or len(name) > LONGEST_PATH_BYTES:
        raise ValueError("it is empty, longer than any path, or holds a NUL character")
    if any(len(part) > LONGEST_NAME_BYTES for part in name.split(b"/")):
        raise ValueError("a name in it is longer than a file system holds")
    return path


def _place(path: str | Path) -> str | Path:
    """The path, if a folder can be there: what is nearest to it and exists is one."""
    _path(path)
    existing = next(each for each in (Path(path), *Path(path).absolute().parents) if os.path.lexists(each))
    if not existing.is_dir():
        raise ValueError("something else is there")
    return path


LONGEST_NAME_BYTES, LONGEST_PATH_BYTES = 255, 4095
"""What Linux takes."""
LARGEST = 2**63 - 1

Text = Annotated[str, Field(min_length=1), AfterValidator(_encodable), Must("be text, and not empty")]
Fraction = Annotated[float, Field(gt=0, le=1), Must("lie in (0, 1]")]
Confidence = Annotated[float, Field(gt=0.5, lt=1), Must("lie between 0.5 and 1, such as 0.95")]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LARGEST), Must("be a whole number, 1 or more")]
Threads = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1024), Must("be a whole number from 1 to 1024")]
Seed = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=LARGEST), Must("be a whole number from 0 to 2**63 - 1")]
Truth = Annotated[bool, Must("be True or False")]
AnyPath = Annotated[str | Path, AfterValidator(_path), Must("be a path, as text or a Path")]
ModelName = Annotated[str | Path, AfterValidator(_path), Must("be the folder of a model, or its name on the hub")]
FolderPath = Annotated[
    str | Path,
    AfterValidator(_place),
    Must("be the path of a folder (text or a Path) that is there or can be made"),
]
Words = Annotated[Sequence[str], Must("be a list of texts such as 'training.learning_rate=2e-4'")]
Options = Annotated[Mapping[str, Any], Must("be names with values, such as {'layer': 4}")]


def checks_arguments(
    error: type[WinnowError],
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A decorator: the function raises this error, in one line, for arguments that it lacks or that are none."""

    def decorate(call: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature, plain = inspect.signature(call), typing.get_type_hints(call)

        @cache
        def checks() -> dict[str, tuple[TypeAdapter[Any], str]]:
            return dict(_checks_of(typing.get_type_hints(call, include_extras=True)))

        @wraps(call)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                given = _bound(call.__name__, signature, args, kwargs)
                for name in given.arguments.keys() & checks().keys():
                    given.arguments[name] = _checked(name, given.arguments[name], *checks()[name])
            except _ArgumentError as wrong:
                raise error(str(wrong)) from wrong.__cause__
            return call(*given.args, **given.kwargs)

        parameters = [each.replace(annotation=plain.get(name, Any)) for name, each in signature.parameters.items()]
        checked.__dict__["__signature__"] = signature.replace(parameters=parameters)  # as help() shows it
        return checked

    return decorate


class _ArgumentError(Exception):
    """What is wrong with an argument."""


def _bound(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> inspect.BoundArguments:
    known = [each for each in signature.parameters if each != "self"]
    for word in kwargs:
        if word not in known:
            hint = nearest(word, known)
            raise _ArgumentError(f"{name} has no argument {shown(word)}{hint}; it takes {', '.join(known)}")
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        raise _ArgumentError(f"{name}: {error}; it takes {', '.join(known)}") from error


def _checks_of(hints: Mapping[str, Any]) -> Iterator[tuple[str, tuple[TypeAdapter[Any], str]]]:
    for name, hint in hints.items():
        must = next(_musts_in(hint), None)
        if name != "return" and must is not None:
            config = ConfigDict(strict=True, arbitrary_types_allowed=True)
            yield name, (TypeAdapter(hint, config=config), must.text)


def _musts_in(hint: Any) -> Iterator[Must]:
    yield from (each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Must))
    for inner in typing.get_args(hint):
        yield from _musts_in(inner)


def _checked(name: str, value: Any, adapter: TypeAdapter[Any], must: str) -> Any:
    try:
        return adapter.validate_python(_plain(value))
    except ValidationError as error:
        reasons = [f" ({found['ctx']['error']})" for found in error.errors() if found["type"] == "value_error"]
        raise _ArgumentError(f"{name} is {shown(_plain(value))}; it must {must}{''.join(reasons[:1])}") from error


def _plain(value: Any) -> Any:
    """A number as Python has it, where it is one of numpy's."""
    if isinstance(value, numbers.Real) and type(value) not in (bool, int, float):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    return value
