"""The options of a part that is named in a recipe: checked by the part's own model, mistakes told in its words."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from winnow.errors import nearest, refused
from winnow.recipe.values import Frozen

Options = TypeVar("Options", bound=Frozen)


class NoOptions(Frozen):
    """A part without options of its own."""


def checked_options(name: str, model: type[Options], options: Mapping[str, Any], *, place: str) -> Options:
    """The options of the part of this name. Raises RecipeError with a line for each mistake.

    `place` says where its author writes them, such as `in its arm`.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise refused([_explain(name, model, problem, place) for problem in error.errors()]) from error


def _explain(name: str, model: type[Frozen], problem: Any, place: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) or "none"
        return f"unknown option {key} of {name}{nearest(key, model.model_fields)}; known: {known}"
    if problem["type"] == "missing":
        return f"option {key} of {name} is missing; write `options: {{{key}: ...}}` {place}"
    return f"option {key} of {name} is {problem['input']!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"
