"""Levels that a fair comparison of mixtures needs: equal and natural shares, and schedules held constant.

A factor of `vary` that sets mixtures gets them, so that each stands at every level of the other factors.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from winnow.recipe import NATURAL, MixtureRecipe, Recipe
from winnow.recipe.mixture import MixerRecipe, ScheduleRecipe

MIXTURE, STATIC = "mixture", "static"
PLAIN = {"equal": MixerRecipe(name="equal"), "natural": NATURAL}
"""Name of a level -> its mixture."""


@dataclass(frozen=True)
class Controls:
    """A recipe with the levels that were missing."""

    recipe: Recipe
    added: dict[str, str | None] = field(default_factory=dict)
    """Added level -> the level that it is the static control of; None where it is one of equal or natural shares."""
    factor: str = ""
    """Whose levels they are."""


def with_mixture_controls(recipe: Recipe) -> Controls:
    """The recipe with the missing levels of the factor that sets mixtures, if one does and `study.controls` is on."""
    factor = next(
        (name for name, levels in recipe.vary.items() if any(MIXTURE in each for each in levels.values())), ""
    )
    if not factor or not recipe.study.controls or not recipe.is_text:
        return Controls(recipe)
    levels = recipe.vary[factor]
    mixtures = {level: _read(settings.get(MIXTURE), recipe) for level, settings in levels.items()}
    missing, added = dict[str, dict[str, Any]](), dict[str, str | None]()
    for level, mixture in mixtures.items():
        if isinstance(mixture, ScheduleRecipe) and not mixture.static:
            held = mixture.model_copy(update={"static": True})
            if held not in mixtures.values():
                missing[f"{level}_{STATIC}"] = levels[level] | {MIXTURE: held.model_dump(mode="json")}
                added[f"{level}_{STATIC}"] = level
    for level, plain in PLAIN.items():
        if plain not in mixtures.values() and level not in levels:
            missing[level], added[level] = {MIXTURE: level}, None
    vary = {**recipe.vary, factor: levels | missing}
    return Controls(recipe.model_copy(update={"vary": vary}), added, factor)


def _read(given: Any, recipe: Recipe) -> MixtureRecipe | None:
    """The mixture of a level; None where it is wrong, which is told where the level is."""
    if given is None:
        return recipe.mixture
    try:
        mixture: MixtureRecipe = TypeAdapter(MixtureRecipe).validate_python(given)
    except ValidationError:
        return None
    return mixture
