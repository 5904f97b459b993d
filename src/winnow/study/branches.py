"""Arms that differ in their budget alone as one run with branches: `study.branches`.

The longest of them trains with `warmup_stable_decay` and keeps its state where a shorter one's decay begins; each
shorter one goes on from there and decays. What they have in common is trained once and charged to each.
"""

from winnow.errors import RecipeError
from winnow.mixing.asked import goes_by_length
from winnow.recipe import Recipe
from winnow.study.arms import Arm

SCHEDULE = "warmup_stable_decay"


def trunks_of(recipe: Recipe, arms: list[Arm]) -> dict[str, Arm]:
    """Arm that branches -> the longer arm that it branches from.

    Raises RecipeError where `study.branches` asks for branches that cannot be.
    """
    if not recipe.study.branches:
        return {}
    groups = dict[tuple[str, str], list[Arm]]()
    for arm in arms:
        if arm.recipe.training.method != "none":
            alike = arm.selection.name, arm.recipe.model_dump_json(exclude={"budget"})
            groups.setdefault(alike, []).append(arm)
    found = dict[str, Arm]()
    for group in groups.values():
        longest = max(group, key=_amount)
        found |= {arm.name: longest for arm in group if _amount(arm) < _amount(longest)}
    _check(arms, found)
    return found


def _amount(arm: Arm) -> float:
    return arm.recipe.budget.amount


def _check(arms: list[Arm], found: dict[str, Arm]) -> None:
    if not found:
        raise RecipeError(
            "study.branches is on, and no two arms differ in their budget alone; let a factor of `vary` set the budget"
        )
    changing = next((arm for arm in arms if arm.recipe.is_text and goes_by_length(arm.recipe.mixture)), None)
    if changing is not None:
        raise RecipeError(
            f"study.branches is on, and the mixture of arm {changing.name} goes by the length of its run, so that a "
            "shorter run is no beginning of a longer one; write constant shares, or turn branches off"
        )
    stopping = next((arm for arm in arms if arm.recipe.training.early_stopping is not None), None)
    if stopping is not None:
        raise RecipeError(
            f"study.branches is on, and arm {stopping.name} has training.early_stopping, which may end it before "
            "others branch from it; leave one of them out"
        )
    endless = next((arm for arm in arms if arm.recipe.training.decay_fraction == 1), None)
    if endless is not None:
        raise RecipeError(f"arm {endless.name} decays from its first step, so nothing is shared; lower decay_fraction")
    decaying = next((arm for arm in arms if arm.recipe.training.schedule != SCHEDULE), None)
    if decaying is not None:
        raise RecipeError(
            f"study.branches is on, and arm {decaying.name} trains with schedule {decaying.recipe.training.schedule}, "
            f"which decays from the start or never; set training.schedule to {SCHEDULE}"
        )
