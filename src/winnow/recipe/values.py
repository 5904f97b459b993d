"""What stands in a recipe: kinds of values, their bounds, and the model that all sections are made of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator

from winnow.recipe.spellings import as_meant, kinds_in


def once(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same list, if nothing stands in it twice."""
    twice = next((each for at, each in enumerate(given) if each in given[:at]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands there twice; give it once")
    return given


def _pattern(text: str) -> str:
    """The same text, if it is a regular expression."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{text[:100]!r} is no regular expression: {error}") from error
    return text


def _free_name(name: str) -> str:
    """The same name, if winnow does not put such endings behind names itself."""
    if re.search(r"\.(partial|lease|lock)$", name):
        raise ValueError(f"{name!r} ends as winnow's own temporary files do; choose another name")
    return name


LARGEST_SIZES = (
    (re.compile("layers?$|depth|blocks$"), 1000),
    (re.compile("vocab|position|theta|window|token|context|len|id$|scal"), 10**9),
    (re.compile(""), 200_000),
)
"""What the name of a model's size holds -> the largest one that is believed; the first that fits counts."""


def _possible_sizes(architecture: dict[str, Any]) -> dict[str, Any]:
    """The same architecture, if no number in it is one that no machine could hold."""
    for key, value in architecture.items():
        most = next(most for pattern, most in LARGEST_SIZES if pattern.search(str(key)))
        if isinstance(value, int | float) and not abs(value) <= most:
            raise ValueError(f"{key} is {value!r}; it must be at most {most:,}")
    return architecture


Number = Annotated[float, Strict()]
"""A float; integers are numbers too, `true` and text are none."""
Whole = Annotated[int, Strict()]
"""An int; `true`, text and 1.5 are none."""
Truth = Annotated[bool, Strict()]
"""A bool; 0, 1 and other text are none."""

# Upper bounds are far above what any machine has or any study needs: what lies beyond is a slip, and is told before it
# fills a memory, overflows a 64-bit number, or is rounded to nothing.
Fraction = Annotated[Number, Field(gt=0.0, le=1.0)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Positive = Annotated[Number, Field(gt=0.0, le=1e6)]
Amount = Annotated[Number, Field(gt=0.0, le=1e30)]
"""Of a budget: FLOPs, seconds, dollars, passes."""
Price = Annotated[Number, Field(ge=0.0, le=1e6)]
"""Dollars."""
Count = Annotated[Whole, Field(ge=1, le=10**15)]
"""How much of what is there: a limit, a budget."""
Size = Annotated[Whole, Field(ge=1, le=10**6)]
"""Of what has to fit into a memory: a batch, a width."""
Seed = Annotated[Whole, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100), AfterValidator(_free_name)]
Architecture = Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_possible_sizes)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
"""A path, a column, a name that others gave."""
Pattern = Annotated[Text, AfterValidator(_pattern)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(once)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(once)]
Rate = Annotated[Number, Field(gt=0.0, le=1000.0)]
"""A learning rate."""
Beta = Annotated[Number, Field(ge=0.0, lt=1.0)]
Figure = Annotated[Number, Field(ge=0.0, le=1e18)]
"""What somebody published."""

ADDED = "added"
"""Marks a field that came after studies had been made: at its default it is left out of what identifies them."""

HOW = "how"
"""Marks a field that says how to go about it: no result depends on it, and it never identifies anything."""

ELSEWHERE = "elsewhere"
"""Marks a field that a stage's part need not say, since what identifies the stage holds it in another place."""


@dataclass(frozen=True)
class Was:
    """Marks a field whose default was another one before: at its default, what identifies a study says that one."""

    default: Any

    @property
    def as_json(self) -> Any:
        """As a dump of the recipe has it."""
        return [*self.default] if isinstance(self.default, tuple) else self.default


BUDGET_UNITS = ("pool_epochs", "examples", "tokens", "flops", "seconds", "dollars")


class Frozen(BaseModel):
    """A part of a recipe: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: as_meant(value, _kinds(cls, key)) if _kinds(cls, key) else value for key, value in given.items()}


@lru_cache(maxsize=4096)
def _kinds(model: type[BaseModel], field: str) -> frozenset[Any]:
    """What a field of numbers or truths may hold; nothing where it may hold something else, too."""
    known = model.model_fields.get(field)
    found = set(kinds_in(known.annotation)) - {type(None)} if known else set()
    return frozenset(found if found <= {int, float, bool} else ())


def earlier(model: BaseModel, keys: Iterable[str]) -> dict[str, Any]:
    """Of these fields, those at a default that was another one before, with that one as a dump has it."""
    fields = {key: type(model).model_fields[key] for key in keys}
    return {
        key: mark.as_json
        for key, field in fields.items()
        for mark in field.metadata
        if isinstance(mark, Was) and getattr(model, key) == field.default
    }
