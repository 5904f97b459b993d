"""What a study would cost, without training: examples, visits, tokens, steps, FLOPs, seconds, dollars, memory.

    plan(recipe).arms[0].exaflops

Sizes come from the data themselves (read and tokenised into the store, which `winnow run` then finds there), or, where
a source is out of reach, from what the recipe declares; FLOPs come from the architecture alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from winnow.errors import BudgetError, RecipeError
from winnow.mistakes import doubts, lacking_here
from winnow.models.costs import PeakMemory
from winnow.models.host import device_bytes
from winnow.pipeline import checked, selector_traits, store_beside, study_folder
from winnow.recipe import Recipe
from winnow.recipe.arguments import FolderPath, checks_arguments
from winnow.recipe.file import AnyRecipe, as_recipe
from winnow.study.arms import Arm, build_arms, equal_arms
from winnow.text.printing import EXA, memory
from winnow.verbs.planned_arms import PlannedArm, Training, planned_arms, trainings_of
from winnow.verbs.planned_data import is_declared, read_pool
from winnow.verbs.planned_evaluation import final_of
from winnow.verbs.planned_mixtures import PlannedSource, planned_mixtures
from winnow.verbs.planned_speed import SpeedOrigin, seconds_of, speed_for
from winnow.verbs.remembered import Remembered
from winnow.walk import Watch, Watching

SELECTION_SHARE = 0.2
"""Above this share of the budget, selection draws a warning."""


@dataclass(frozen=True)
class Plan:
    """A study as it would run."""

    parameters: int
    trainable_parameters: int
    """Of the arm that trains most."""
    adapter_bytes: int | None
    """Size of the largest adapter file; null when all weights are trained."""
    pool_examples: int
    pool_tokens: int
    is_declared: bool
    """Pool sizes are the recipe's word, not read from data."""
    global_batch_size: int
    """Of the first arm; each arm has its own."""
    seeds: int
    flops_per_second: float
    speed_origin: SpeedOrigin
    """Declared by the recipe, known from before, estimated by arithmetic, or measured by training."""
    memory: PeakMemory
    """Of the run that needs most, on one device, at its worst moment; evaluation not counted."""
    memory_bytes: int
    """All of it."""
    device_bytes: int
    """What a device has."""
    arms: list[PlannedArm]
    warnings: list[str]
    untrained_exaflops: float = 0.0
    """Reference FLOPs of looking once at the model that runs start from."""
    untrained_seconds: float = 0.0
    mixtures: list[PlannedSource] = field(default_factory=list)
    """Of plain text: what each arm reads of every source."""


@checks_arguments(RecipeError)
def plan(
    recipe: AnyRecipe, *, out: FolderPath | None = None, store: FolderPath | None = None, watch: Watching | None = None
) -> Plan:
    """The plan of a recipe; `watch` is told of the data that have to be read for it.

    Raises WinnowError in one line where data or model are out of reach and not declared.
    """
    recipe = as_recipe(recipe)
    recipe = checked(recipe, must_exist=not is_declared(recipe))
    kept = Remembered(None if is_declared(recipe) else store_beside(recipe, out, store).root)
    kept.check_models(recipe)
    pool = read_pool(recipe, out, store, watch or Watch())
    built = build_arms(recipe, selector_traits())
    trained = [arm for arm in built if arm.recipe.training.method != "none"] or built
    trainings = trainings_of(built, pool, kept)
    speed, notes = speed_for(recipe, trained[0].recipe, pool, study_folder(recipe, out))
    machine = speed.machine
    arms = planned_arms(recipe, built, trainings, pool, speed)
    _check_budgets(trained, arms)
    mixtures, told = planned_mixtures(built, arms, pool)
    worst = max((trainings[arm.name] for arm in trained), key=lambda each: each.peak.total_bytes)
    largest = max((trainings[arm.name] for arm in trained), key=lambda each: each.costs.trainable_parameters)
    adapters = [each.adapter_bytes for each in trainings.values() if each.adapter_bytes is not None]
    looks = final_of(recipe, worst.costs, pool)
    return Plan(
        parameters=largest.costs.parameters,
        trainable_parameters=largest.costs.trainable_parameters,
        adapter_bytes=max(adapters, default=None),
        pool_examples=len(pool.lengths),
        pool_tokens=int(pool.lengths.sum()),
        is_declared=pool.is_declared,
        global_batch_size=arms[0].global_batch_size,
        seeds=len(recipe.study.seeds),
        flops_per_second=machine.flops_per_second or 0.0,
        speed_origin=speed.origin,
        memory=worst.peak,
        memory_bytes=worst.peak.total_bytes,
        device_bytes=device_bytes(recipe.machine),
        arms=arms,
        warnings=[*pool.warnings, *_warnings(arms), *equal_arms(built), *_told(recipe, trained, worst), *told, *notes],
        mixtures=mixtures,
        untrained_exaflops=looks.flops / EXA,
        untrained_seconds=seconds_of(looks, speed),
    )


def _told(recipe: Recipe, trained: Sequence[Arm], worst: Training) -> list[str]:
    """What this machine lacks, what has no effect, what does not fit."""
    pool = worst.pool
    longest = 0 if pool.is_declared else int(pool.lengths.max())
    doubted = [line for arm in trained for line in doubts(arm.recipe, longest=longest)]
    warning = _memory_warning(worst, device_bytes(recipe.machine))
    return [*lacking_here(recipe), *dict.fromkeys(doubted), *([warning] if warning else [])]


def training_flops(recipe: Recipe, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reference FLOPs of training once on each example of these lengths."""
    from winnow.verbs.planned_sizes import costs_of

    return costs_of(recipe).train(lengths)


def _check_budgets(trained: Sequence[Arm], arms: Sequence[PlannedArm]) -> None:
    """Raises BudgetError where no arm that trains can visit one example."""
    names = {arm.name for arm in trained if arm.recipe.training.method != "none"}
    if names and not any(arm.visits or arm.note for arm in arms if arm.name in names):
        budget = trained[0].recipe.budget
        raise BudgetError(f"budget.{budget.unit} of {budget.amount:g} is less than one example; raise it")


def _memory_warning(training: Training, room: int) -> str | None:
    """What to do about a run that does not fit; None where it does."""
    if training.peak.total_bytes <= room:
        return None
    from winnow.training.fitting import ways_to_fit

    ways = ways_to_fit(training.peak_of, training.recipe.training, room)
    advice = f"any of these would fit: {'; '.join(ways)}" if ways else "choose a smaller model"
    return (
        f"a run needs about {memory(training.peak.total_bytes)}, a device has {memory(room)}; {advice}; or lower "
        "pool.max_tokens"
    )


def _warnings(arms: list[PlannedArm]) -> list[str]:
    full, found = max(arm.visits for arm in arms) / max(arm.examples for arm in arms), []
    if full < 1 and len({arm.fraction for arm in arms}) > 1:
        found.append(
            f"the pool is visited {full:.2f} times: fractions cannot differ where even the full pool is not seen once"
        )
    for arm in arms:
        if arm.visits and arm.visits_per_example < 1 and arm.fraction < 1:
            found.append(f"{arm.name} visits its examples {arm.visits_per_example:.2f} times: fewer than it selects")
        share = arm.selection_exaflops / max(arm.exaflops + arm.selection_exaflops, 1e-30)
        if share > SELECTION_SHARE:
            found.append(f"{arm.name} spends {share:.0%} of its compute on selection")
        if arm.note:
            found.append(f"{arm.name}: {arm.note}")
    return found
