"""The options of a part that is named in a recipe: checked by the part's own model, mistakes told in its words."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from winnow.errors import nearest, refused
from winnow.recipe.values import Frozen

Options = TypeVar("Options", bound=Frozen)


class NoOptions(Frozen):
    """A part without options of its own."""


def checked_options(part: str, model: type[Options], options: Mapping[str, Any], *, write: str) -> Options:
    """The options of a part. Raises RecipeError with a line for each mistake.

    `write` is what its author would write for a missing option, whose name is put for KEY.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise refused([_explain(part, model, problem, write) for problem in error.errors()]) from error


def _explain(part: str, model: type[Frozen], problem: Any, write: str) -> str:
    key = ".".join(str(place) for place in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) or "none"
        return f"unknown option {key} of {part}{nearest(key, model.model_fields)}; known: {known}"
    if problem["type"] == "missing":
        return f"option {key} of {part} is missing; write {write.replace('KEY', key)}"
    return f"option {key} of {part} is {problem['input']!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"
