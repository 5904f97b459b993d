"""A recipe narrowed to the selectors that are compared before anything is trained.

Each is the name of an arm of the recipe without its fraction, a selector, `SELECTOR:target`, or `CONTROL:ARM`, a
control with the arm whose selection it matches.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from winnow.errors import RecipeError, nearest
from winnow.recipe import ArmRecipe, Recipe
from winnow.records import Traits
from winnow.study.selections import base_name

MIN_SEEDS = 3
"""Of arms that differ by seed."""


def compared(
    recipe: Recipe, selectors: Sequence[str], fractions: Sequence[float], traits: Mapping[str, Traits]
) -> Recipe:
    """The recipe with these arms and fractions alone, at least three seeds, and every row of the pool a candidate.

    Raises RecipeError for an unknown name, a control without the arm that it matches, a fraction outside (0, 1].
    """
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise RecipeError(f"--fraction is {fraction:g}; it must lie in (0, 1]")
    arms: dict[str, ArmRecipe] = {}
    for name in selectors:
        arms |= {base_name(arm): arm for arm in _named(name, _own_arms(recipe) | arms, traits)}
    if fractions:
        arms = {name: arm.model_copy(update={"fractions": None}) for name, arm in arms.items()}
    seeds = list(recipe.study.seeds)
    seeds += [seed for seed in range(len(seeds) + MIN_SEEDS) if seed not in seeds][: max(0, MIN_SEEDS - len(seeds))]
    own: dict[str, Any] = {"arms": tuple(arms.values()), "controls": False}
    own |= {"fractions": tuple(dict.fromkeys(fractions))} if fractions else {}
    study = recipe.study.model_copy(
        update={"seeds": tuple(seeds), "resample_pool": 1.0, "sweep": None, "branches": False}
    )
    return recipe.model_copy(update={"selection": recipe.selection.model_copy(update=own), "study": study, "vary": {}})


def _own_arms(recipe: Recipe) -> dict[str, ArmRecipe]:
    entries = [ArmRecipe(selector=arm) if isinstance(arm, str) else arm for arm in recipe.selection.arms]
    return {base_name(arm): arm for arm in entries}


def _named(name: str, known: Mapping[str, ArmRecipe], traits: Mapping[str, Traits]) -> list[ArmRecipe]:
    """The arm of this name, after the one that it is the control of."""
    if name in known:
        of = known[name].of
        return [known[name]] if of is None else [*_named(of, known, traits), known[name]]
    selector, _, suffix = name.partition(":")
    if selector not in traits:
        arms = f"arms of the recipe: {', '.join(known)}; selectors: {', '.join(traits)}"
        raise RecipeError(f"--selector {name} is no arm or selector{nearest(selector, [*known, *traits])}; {arms}")
    if traits[selector].is_control:
        if not suffix:
            raise RecipeError(f"--selector {name} is a control; write {name}:ARM with the arm that it is to match")
        reference = _named(suffix, known, traits)
        return [*reference, ArmRecipe(selector=selector, of=base_name(reference[-1]))]
    if suffix not in ("", "target"):
        raise RecipeError(f"--selector {name}: after a selector only :target may stand, not :{suffix}")
    plain = ArmRecipe(selector=selector, target=suffix == "target")
    return [known.get(base_name(plain), plain)]
