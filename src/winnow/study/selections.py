"""From section `selection` of a recipe to its selections: which rows, at which fractions, with which controls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from winnow.errors import RecipeError, nearest
from winnow.recipe import DEFAULT_REPRESENTATIONS, GIVES, ArmRecipe, Recipe, RepresentationRecipe
from winnow.records import Traits, inner_of, needs_of

SEEN_AS: dict[str, tuple[str, ...]] = {"representation": ("vectors", "features", "counts"), "score": ("scores",)}
"""Key of an arm -> what a selector may get of the representation that it names."""


@dataclass(frozen=True)
class Selection:
    """One way to choose rows, at one fraction."""

    name: str
    selector: str
    fraction: float | None
    """Null for the full pool and for selectors that bring their own size."""
    target: bool = False
    of: str | None = None
    """For a control: the selection it is the control of."""
    options: Mapping[str, Any] = field(default_factory=dict)
    is_added: bool = False
    """Not in the recipe, but needed for a fair study."""
    needs: tuple[str, ...] = ()
    """What the selector sees: `vectors`, `features`, `scores`, `counts`."""
    representation: str | None = None
    """Where its vectors, features or counts come from."""
    score: str | None = None
    """Where its scores come from."""


def build_selections(recipe: Recipe, traits: Mapping[str, Traits]) -> list[Selection]:
    """All selections of a study, in the recipe's order, controls last.

    Raises RecipeError for an unknown selector, a control of nothing, a target that the pool does not set aside,
    two arms of one name, or no arm at all.
    """
    entries = _entries(recipe, traits)
    for arm, _ in entries:
        _check(arm, recipe, traits)
    entries.sort(key=lambda entry: traits[entry[0].selector].is_control)
    arms = [made for arm, is_added in entries for made in _at_fractions(arm, is_added, recipe, traits, entries)]
    _refuse_twins(arms)
    if not arms:
        raise RecipeError("selection.arms is empty and selection.controls is off; name an arm, such as full")
    return arms


def selection_mistakes(recipe: Recipe, traits: Mapping[str, Traits]) -> list[str]:
    """What `build_selections` would refuse: of the recipe's own arms all, else the first thing."""
    found = dict[str, None]()
    for arm, is_added in _entries(recipe, traits):
        try:
            _check(arm, recipe, traits)
        except RecipeError as error:
            found |= {} if is_added and found else {str(error): None}
    if not found:
        try:
            build_selections(recipe, traits)
        except RecipeError as error:
            return [str(error)]
    return list(found)


def _entries(recipe: Recipe, traits: Mapping[str, Traits]) -> list[tuple[ArmRecipe, bool]]:
    """The recipe's arms, then those that are added."""
    asked = [_aimed(ArmRecipe(selector=a) if isinstance(a, str) else a, traits) for a in recipe.selection.arms]
    added = _missing_controls(asked, traits) if recipe.selection.controls else []
    return [(arm, False) for arm in asked] + [(arm, True) for arm in added]


def _aimed(arm: ArmRecipe, traits: Mapping[str, Traits]) -> ArmRecipe:
    """The arm with its name, and with the target that its selector cannot do without."""
    if arm.selector not in traits:
        return arm
    named = arm.model_copy(update={"name": base_name(arm)})
    is_aimed = inner_of(traits[arm.selector], arm.options, traits).target == "required"
    return named.model_copy(update={"target": True}) if is_aimed else named


def base_name(arm: ArmRecipe) -> str:
    """Name of an arm without its fraction."""
    if arm.name is not None:
        return arm.name
    if arm.of is not None:
        return f"{arm.selector}_{arm.of}"
    parts = (arm.selector, "target" if arm.target else None, arm.representation, arm.score)
    return "_".join(part for part in parts if part)


def name_at(base: str, fraction: float | None) -> str:
    """Name of a selection, such as herding_0.05."""
    return base if fraction is None else f"{base}_{fraction:g}"


def _missing_controls(asked: list[ArmRecipe], traits: Mapping[str, Traits]) -> list[ArmRecipe]:
    """Full pool, random, equal shares, and for each targeted arm a source-matched random and random plus its target."""
    has = {arm.selector for arm in asked}
    missing = [ArmRecipe(selector=name) for name in ("full", "random", "equal_shares") if name not in has]
    has_controls = {(arm.selector, arm.of) for arm in asked}
    return missing + [
        ArmRecipe(selector=name, of=base_name(arm), fractions=arm.fractions)
        for arm in asked if arm.target
        for name in ("source_matched", "random_plus_target") if (name, base_name(arm)) not in has_controls
    ]  # fmt: skip


def _check(arm: ArmRecipe, recipe: Recipe, traits: Mapping[str, Traits]) -> None:
    if arm.selector not in traits:
        known = sorted(traits)
        raise RecipeError(f"unknown selector {arm.selector!r}{nearest(arm.selector, known)}; known: {', '.join(known)}")
    if traits[arm.selector].is_control != (arm.of is not None):
        wrong = (
            "needs `of:`, the arm that it is the control of" if arm.of is None else "is no control and takes no `of:`"
        )
        raise RecipeError(f"selection arm {arm.selector!r} {wrong}")
    if arm.fractions and not traits[arm.selector].takes_fraction:
        raise RecipeError(f"selection arm {base_name(arm)!r} takes no fraction; remove `fractions:`")
    seen = inner_of(traits[arm.selector], arm.options, traits)
    if arm.target and seen.target == "none" and traits[arm.selector].target == "none":
        raise RecipeError(f"selection arm {arm.selector!r} cannot aim at a target; remove `target: true`")
    wants_target = arm.target or traits[arm.selector].adds_target
    if wants_target and recipe.pool.target is None:
        raise RecipeError(f"selection arm {base_name(arm)!r} has a target, but pool.target sets none aside; add it")
    needs = needs_of(traits[arm.selector], arm.options, traits)
    for key, used in SEEN_AS.items():
        name = getattr(arm, key)
        if name is not None and not set(used) & set(needs):
            raise RecipeError(f"selection arm {base_name(arm)!r} has no use for a {key}; remove `{key}: {name}`")


def representation_of(recipe: Recipe, name: str) -> RepresentationRecipe:
    """The representation of this name, declared or there by default. Raises RecipeError."""
    known: dict[str, RepresentationRecipe] = DEFAULT_REPRESENTATIONS | recipe.selection.representations
    if name not in known:
        raise RecipeError(f"there is no representation {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return known[name]


def _sees(arm: ArmRecipe, recipe: Recipe, traits: Mapping[str, Traits]) -> tuple[str | None, str | None]:
    """Names of the representation and of the score of an arm, each checked to give what is needed."""
    outer = traits[arm.selector]
    seen, needs = inner_of(outer, arm.options, traits), needs_of(outer, arm.options, traits)
    found: list[str | None] = []
    for key, parts in SEEN_AS.items():
        wanted = next((part for part in parts if part in needs), None)
        owner = outer if set(parts) & set(outer.needs) else seen
        name = getattr(arm, key) or getattr(owner, key)
        found.append(name if wanted else None)
        gives = GIVES[representation_of(recipe, name).kind] if wanted else None
        if gives is not None and gives != ("vectors" if wanted == "features" else wanted):
            raise RecipeError(f"selection arm {base_name(arm)!r} needs {wanted}; {key} {name!r} gives {gives}")
    return found[0], found[1]


def _at_fractions(
    arm: ArmRecipe, is_added: bool, recipe: Recipe, traits: Mapping[str, Traits], entries: list[tuple[ArmRecipe, bool]]
) -> list[Selection]:
    base = base_name(arm)
    by_name = {base_name(other): other for other, _ in entries}
    known = sorted(by_name)
    sized = by_name.get(arm.of, arm) if arm.of is not None else arm  # a control has the fractions of its arm
    fractions: tuple[float | None, ...] = arm.fractions or sized.fractions or recipe.selection.fractions
    if not traits[sized.selector].takes_fraction:
        fractions = (None,)
    if arm.of is not None and arm.of not in known:
        raise RecipeError(
            f"selection arm {base!r} is the control of {arm.of!r}{nearest(arm.of, known)}; there is no such arm"
        )
    if arm.of is not None and traits[sized.selector].is_control:
        raise RecipeError(
            f"selection arm {base!r} is the control of {arm.of!r}, a control itself; name a selector's arm"
        )
    needs = needs_of(traits[arm.selector], arm.options, traits)
    representation, score = _sees(arm, recipe, traits)
    return [
        Selection(
            name_at(base, fraction), arm.selector, fraction, arm.target,
            name_at(arm.of, fraction) if arm.of else None, arm.options, is_added, needs, representation, score,
        )
        for fraction in fractions
    ]  # fmt: skip


def _refuse_twins(arms: list[Selection]) -> None:
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"two arms are named {name!r}; give one of them another `name:`")
    for arm in arms:
        if arm.of is not None and arm.of not in names:
            raise RecipeError(f"control {arm.name!r} has no arm {arm.of!r}; give both the same fractions")


def global_batch_size(recipe: Recipe, per_device: int, accumulation: int) -> int:
    """Examples per optimizer step over all devices."""
    return math.prod((per_device, accumulation, recipe.machine.devices))
