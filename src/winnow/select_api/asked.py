"""What a call of `winnow.select` asks for, as the study that would select like this: one way to expand an arm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from winnow.errors import RecipeError, nearest
from winnow.recipe import DEFAULT_REPRESENTATIONS, ColumnRecipe, Recipe, RepresentationRecipe, SourceRecipe
from winnow.recipe.file import parse_recipe
from winnow.records import Traits, inner_of
from winnow.selection import registry

Given = str | Mapping[str, Any] | RepresentationRecipe
SizedBy = Literal["examples", "tokens"]
NO_MODEL = "none"
NOT_READ = SourceRecipe(name="given", licence="unknown", path="given", format="alpaca")
"""Stands where a study has sources; the rows are handed over."""
NOTHING = {
    "name": "select",
    "pool": {"sources": (NOT_READ,)},
    "base": {"model": NO_MODEL},
    "budget": {"pool_epochs": 1},
    "evaluation": {"sets": (NOT_READ,)},
}
"""A recipe's keys, of which a selection needs some and no other is ever read."""


@dataclass(frozen=True)
class Asked:
    """A selection, its size left open."""

    selector: str
    options: Mapping[str, Any]
    model: str | None
    representation: Given | None
    score: Given | None
    is_aimed: bool
    """A target was given."""
    seed: int
    threads: int

    @property
    def traits(self) -> Traits:
        """Of the selector. Raises RecipeError where there is none of this name, or it is a control."""
        return registry.find_selector(self.selector).traits

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Columns of the data that hold the scores."""
        recipe = representations(self).get("own_score")
        return (recipe.column,) if isinstance(recipe, ColumnRecipe) else ()


def check(asked: Asked) -> None:
    """Raises RecipeError where the selector, its options and the target do not fit."""
    name, traits = asked.selector, asked.traits
    registry.check(name, asked.options)
    inner = inner_of(traits, asked.options, registry.traits())
    aims = {traits.target, inner.target}
    if asked.is_aimed and aims == {"none"}:
        raise RecipeError(f"{name} cannot aim at a target; leave target out, or choose a selector that can")
    if not asked.is_aimed and "required" in aims:
        raise RecipeError(f"{name} needs a target; give rows of training data as target")


def recipe_of(asked: Asked, *, fraction: float | None, sized_by: SizedBy) -> Recipe:
    """The recipe of a study whose one arm selects like this; its sources, budget and evaluation are never read."""
    own = representations(asked)
    arm = {
        "selector": asked.selector, "name": "selection", "options": dict(asked.options), "target": asked.is_aimed,
        "representation": "own" if "own" in own else None, "score": "own_score" if "own_score" in own else None,
        "fractions": None if fraction is None else (fraction,),
    }  # fmt: skip
    return parse_recipe(
        NOTHING
        | {
            "pool": {"sources": (NOT_READ,), "target": {"source": NOT_READ} if asked.is_aimed else None},
            "base": {"model": asked.model or NO_MODEL},
            "selection": {"arms": (arm,), "representations": own, "sized_by": sized_by, "controls": False},
            "training": {"threads": asked.threads, "lora": {"target_modules": "all-linear"}},
            "study": {"seeds": (asked.seed,)},
        }
    )


def representations(asked: Asked) -> dict[str, Any]:
    """The representations that were given, by name. Raises RecipeError where one is none."""
    given = {"own": asked.representation, "own_score": asked.score}
    return {name: _representation(name, value) for name, value in given.items() if value is not None}


def _representation(name: str, value: Given) -> Any:
    what = {"own": "representation", "own_score": "score"}[name]
    if isinstance(value, str):
        if value in DEFAULT_REPRESENTATIONS:
            return DEFAULT_REPRESENTATIONS[value]
        if what == "score":
            return _representation(name, {"kind": "column", "column": value})
        known = ", ".join(DEFAULT_REPRESENTATIONS)
        raise RecipeError(
            f"there is no representation {value!r}{nearest(value, DEFAULT_REPRESENTATIONS)}; known: {known}"
        )
    if not isinstance(value, Mapping):
        return value
    try:
        asked = parse_recipe(NOTHING | {"selection": {"representations": {name: dict(value)}}})
    except RecipeError as error:
        raise RecipeError(str(error).replace(f"selection.representations.{name}", what)) from error
    return asked.selection.representations[name]
