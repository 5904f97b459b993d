"""From a recipe's selection to its arms: what is compared, at which fractions, with which controls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from winnow.errors import RecipeError, nearest
from winnow.recipe import ArmRecipe, Recipe
from winnow.records import Traits


@dataclass(frozen=True)
class Arm:
    """One compared setting."""

    name: str
    selector: str
    fraction: float | None
    """Null for the full pool and for selectors that bring their own size."""
    target: bool = False
    of: str | None = None
    """For a control: the arm it is the control of."""
    options: Mapping[str, Any] = field(default_factory=dict)
    is_added: bool = False
    """Not in the recipe, but needed for a fair study."""


def build_arms(recipe: Recipe, traits: Mapping[str, Traits]) -> list[Arm]:
    """All arms of a study, in the recipe's order, controls last.

    Raises RecipeError for an unknown selector, a control of nothing, a target that the pool does not set aside,
    two arms of one name, or no arm at all.
    """
    selection = recipe.selection
    asked = [ArmRecipe(selector=arm) if isinstance(arm, str) else arm for arm in selection.arms]
    added = _missing_controls(asked, traits) if selection.controls else []
    entries = [(arm, False) for arm in asked] + [(arm, True) for arm in added]
    for arm, _ in entries:
        _check(arm, recipe, traits)
    entries.sort(key=lambda entry: traits[entry[0].selector].is_control)
    arms = [made for arm, is_added in entries for made in _at_fractions(arm, is_added, recipe, traits, entries)]
    _refuse_twins(arms)
    if not arms:
        raise RecipeError("selection.arms is empty and selection.controls is off; name an arm, such as full")
    return arms


def base_name(arm: ArmRecipe) -> str:
    """Name of an arm without its fraction."""
    if arm.name is not None:
        return arm.name
    if arm.of is not None:
        return f"{arm.selector}_{arm.of}"
    return f"{arm.selector}_target" if arm.target else arm.selector


def arm_name(base: str, fraction: float | None) -> str:
    """Name of an arm, such as herding_0.05."""
    return base if fraction is None else f"{base}_{fraction:g}"


def _missing_controls(asked: list[ArmRecipe], traits: Mapping[str, Traits]) -> list[ArmRecipe]:
    """Full pool, random, equal shares by source, and a source-matched random for each targeted arm."""
    has = {arm.selector for arm in asked}
    missing = [ArmRecipe(selector=name) for name in ("full", "random", "equal_shares") if name not in has]
    controlled = {arm.of for arm in asked if arm.selector == "source_matched"}
    targeted = [arm for arm in asked if arm.target and base_name(arm) not in controlled]
    return missing + [
        ArmRecipe(selector="source_matched", of=base_name(arm), fractions=arm.fractions) for arm in targeted
    ]


def _check(arm: ArmRecipe, recipe: Recipe, traits: Mapping[str, Traits]) -> None:
    if arm.selector not in traits:
        known = sorted(traits)
        raise RecipeError(f"unknown selector {arm.selector!r}{nearest(arm.selector, known)}; known: {', '.join(known)}")
    if traits[arm.selector].is_control != (arm.of is not None):
        needs = (
            "needs `of:`, the arm that it is the control of" if arm.of is None else "is no control and takes no `of:`"
        )
        raise RecipeError(f"selection arm {arm.selector!r} {needs}")
    if arm.fractions and not traits[arm.selector].takes_fraction:
        raise RecipeError(f"selection arm {base_name(arm)!r} takes no fraction; remove `fractions:`")
    if arm.target and not traits[arm.selector].needs_features:
        raise RecipeError(f"selection arm {arm.selector!r} cannot aim at a target; remove `target: true`")
    if arm.target and recipe.pool.target is None:
        raise RecipeError(f"selection arm {base_name(arm)!r} has a target, but pool.target sets none aside; add it")


def _at_fractions(
    arm: ArmRecipe, is_added: bool, recipe: Recipe, traits: Mapping[str, Traits], entries: list[tuple[ArmRecipe, bool]]
) -> list[Arm]:
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
    return [
        Arm(
            arm_name(base, fraction), arm.selector, fraction, arm.target,
            arm_name(arm.of, fraction) if arm.of else None, arm.options, is_added,
        )
        for fraction in fractions
    ]  # fmt: skip


def _refuse_twins(arms: list[Arm]) -> None:
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
