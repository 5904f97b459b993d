"""Arms that differ in their budget alone as one run with branches: `study.branches`.

The longest of them trains with `warmup_stable_decay` and keeps its state where a shorter one's decay begins; each
shorter one goes on from there and decays. What they have in common is trained once and charged to each.
"""

from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.study.arms import Arm

SCHEDULE = "warmup_stable_decay"


def check_branches(recipe: Recipe, arms: list[Arm]) -> None:
    """Raises RecipeError where `study.branches` asks for branches that cannot be."""
    if not recipe.study.branches:
        return
    if not any(trunk_of(recipe, arm, arms) for arm in arms):
        raise RecipeError(
            "study.branches is on, and no two arms differ in their budget alone; let a factor of `vary` set the budget"
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


def trunk_of(recipe: Recipe, arm: Arm, arms: list[Arm]) -> Arm | None:
    """The longer arm that this one branches from; null for one that trains from its start."""
    if not recipe.study.branches or arm.recipe.training.method == "none":
        return None
    longest = max(_siblings(arm, arms), key=lambda each: each.recipe.budget.amount)
    return longest if longest.recipe.budget.amount > arm.recipe.budget.amount else None


def branches_of(recipe: Recipe, arm: Arm, arms: list[Arm]) -> list[Arm]:
    """The arms that branch from this one."""
    return [each for each in arms if (trunk := trunk_of(recipe, each, arms)) is not None and trunk.name == arm.name]


def _siblings(arm: Arm, arms: list[Arm]) -> list[Arm]:
    """All arms that differ from this one in their budget alone, itself among them."""
    return [
        each
        for each in arms
        if each.selection == arm.selection
        and each.recipe.model_copy(update={"budget": arm.recipe.budget}) == arm.recipe
    ]
