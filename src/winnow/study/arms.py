"""The arms of a study: every combination of what it selects and of the levels in `vary`.

    arm = build_arms(recipe, traits)[0]
    arm.recipe.training              # how this arm trains

An arm is the study's recipe with a few keys set, and the rows that it trains on. Nothing is read from its name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from winnow.errors import RecipeError, refused
from winnow.recipe import Recipe
from winnow.recipe.file import patched
from winnow.records import SELECTION, Traits
from winnow.study.mixture_controls import Controls, with_mixture_controls
from winnow.study.selections import Selection, build_selections


@dataclass(frozen=True)
class Arm:
    """One compared setting."""

    name: str
    recipe: Recipe
    """The study's, with what this arm sets; nothing in it varies any more."""
    selection: Selection
    """The rows it trains on."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Factor -> its level in this arm; `selection` among them where the recipe has several."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it sets of the study's recipe: dotted key -> value."""
    control_of: str | None = None
    """For a control: the arm whose selection it matches, or whose schedule it holds constant."""
    is_added: bool = False
    """Not in the recipe, but needed for a fair study."""


def build_arms(recipe: Recipe, traits: Mapping[str, Traits]) -> list[Arm]:
    """All arms, selection by selection, the first factor of `vary` changing slowest.

    Raises RecipeError where selections or levels contradict the recipe or each other.
    """
    controls = with_mixture_controls(recipe)
    recipe = controls.recipe
    selections, resolved = build_selections(recipe, traits), _resolved(recipe)
    has_many = len(selections) > 1 or not recipe.vary
    arms = [
        Arm(
            name=arm_name(selection.name if has_many else None, levels),
            recipe=own, selection=selection,
            factors=({SELECTION: selection.name} if len(selections) > 1 else {}) | levels,
            settings=settings_of(recipe, levels),
            control_of=_reference(selection, levels, controls, has_many),
            is_added=selection.is_added or levels.get(controls.factor) in controls.added,
        )
        for selection in selections
        for levels, own in resolved
    ]  # fmt: skip
    _refuse_twins(arms)
    _refuse_units(arms)
    return arms


def _reference(selection: Selection, levels: Mapping[str, str], controls: Controls, has_many: bool) -> str | None:
    """The arm that the one with this selection and these levels is the control of."""
    if selection.of is not None:
        return arm_name(selection.of, levels)
    of = controls.added.get(levels.get(controls.factor, ""))
    return None if of is None else arm_name(selection.name if has_many else None, {**levels, controls.factor: of})


def arm_recipes(recipe: Recipe) -> list[Recipe]:
    """The recipe of each combination of levels. Raises RecipeError with all that is wrong in any level."""
    return [resolved for _, resolved in _resolved(recipe)]


def combinations(recipe: Recipe) -> Iterator[dict[str, str]]:
    """All combinations of levels, as factor -> level; a single empty one where nothing varies."""
    for levels in product(*(list(levels) for levels in recipe.vary.values())):
        yield dict(zip(recipe.vary, levels, strict=True))


def settings_of(recipe: Recipe, levels: Mapping[str, str]) -> dict[str, Any]:
    """What these levels set, all factors together."""
    return {key: value for factor, level in levels.items() for key, value in recipe.vary[factor][level].items()}


def arm_name(selection: str | None, levels: Mapping[str, str]) -> str:
    """Name of an arm: its selection's, where the recipe has several, then its levels'."""
    return "_".join([*([selection] if selection else []), *levels.values()])


def like(arm: Arm, arms: list[Arm], **others: str) -> Arm | None:
    """The arm that has these levels and is `arm` in all other factors; null where there is none."""
    wanted = {**arm.factors, **others}
    return next((other for other in arms if dict(other.factors) == wanted), None)


def equal_arms(arms: list[Arm]) -> list[str]:
    """A sentence for each arm that is another one under a second name: one run serves both."""
    found = []
    for number, arm in enumerate(arms):
        first = next((each for each in arms[:number] if _is_same(each, arm)), None)
        if first is not None:
            found.append(f"arms {first.name} and {arm.name} are the same once all is set: one run serves both")
    return found


def _is_same(one: Arm, other: Arm) -> bool:
    return one.selection == other.selection and one.recipe == other.recipe


def _resolved(recipe: Recipe) -> list[tuple[dict[str, str], Recipe]]:
    """Each combination of levels with its recipe. Raises RecipeError with all that is wrong in any level, once each."""
    plain = recipe.model_copy(update={"vary": {}})
    if not recipe.vary:
        return [({}, recipe)]
    found, mistakes = [], dict[str, None]()
    for levels in combinations(recipe):
        try:
            found.append((levels, patched(plain, settings_of(recipe, levels), "a level of vary")))
        except RecipeError as error:
            mistakes |= dict.fromkeys(_told(error, recipe, levels))
    if mistakes:
        raise refused(list(mistakes), "vary")
    return found


def _told(error: RecipeError, recipe: Recipe, levels: Mapping[str, str]) -> list[str]:
    """What is wrong with a combination, by the level that says it, where it is one's own mistake."""
    own = dict[str, None]()
    for factor, level in levels.items():
        place = f"vary.{factor}.{level}"
        try:
            patched(recipe.model_copy(update={"vary": {}}), recipe.vary[factor][level], place)
        except RecipeError as mistaken:
            own |= dict.fromkeys(f"{place}: {line}" for line in mistaken.mistakes)
    return list(own) or [f"arm {arm_name(None, levels)}: {line}" for line in error.mistakes]


def _refuse_twins(arms: list[Arm]) -> None:
    names = [arm.name for arm in arms]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise RecipeError(f"two arms are named {twin!r}; give one of their levels or selections another name")


def _refuse_units(arms: list[Arm]) -> None:
    """Raises RecipeError where arms have budgets in two units: nothing says how much of one is so much of another."""
    first = arms[0].recipe.budget.unit
    other = next((arm for arm in arms if arm.recipe.budget.unit != first), None)
    if other is not None:
        raise RecipeError(
            f"arm {arms[0].name} has a budget in {first}, arm {other.name} one in {other.recipe.budget.unit}; use one "
            "unit in `budget` and `vary`"
        )


def primary_baseline(recipe: Recipe, arms: list[Arm]) -> Arm | None:
    """The arm that the declared comparison compares with: in a study that varies something, the first one if need be.

    Null where `study.primary.baseline` names none.
    """
    name = recipe.study.primary.baseline
    found = next((arm for arm in arms if arm.name == name), None)
    is_unsaid = recipe.vary and name == type(recipe.study.primary)().baseline
    return arms[0] if found is None and is_unsaid else found
