"""The learning-rate sweep of a study as stages: a trial for each rate of the grid, and the stage that chooses.

A trial is the arm's own run, of the sweep's seed, cut short: same rows, same start, same schedule over fewer steps.
With `per: study` there is one sweep, of the primary comparison's baseline, and every run rests on it.
"""

from winnow.errors import RecipeError, nearest
from winnow.parts import SweepPart, TrainPart, TrialPart
from winnow.recipe import Recipe, SweepRecipe
from winnow.records import Stage
from winnow.study.arms import Arm


def swept_arms(recipe: Recipe, arms: list[Arm]) -> list[Arm]:
    """The arms on whose data rates are tried. Raises RecipeError where there is no such arm."""
    if recipe.study.sweep is None or recipe.study.sweep.per == "arm":
        return arms if recipe.study.sweep else []
    name, known = recipe.study.primary.baseline, [arm.name for arm in arms]
    if name not in known:
        raise RecipeError(
            f"study.sweep tries rates on the data of study.primary.baseline, {name!r}{nearest(name, known)}; this "
            f"study has {', '.join(known)}"
        )
    return [arm for arm in arms if arm.name == name]


def sweep_stage(recipe: Recipe, arm: str) -> str | None:
    """Name of the stage that chooses this arm's learning rate; null where the recipe gives it."""
    sweep = recipe.study.sweep
    if sweep is None:
        return None
    return f"sweep.{arm if sweep.per == 'arm' else recipe.study.primary.baseline}"


def sweep_stages(recipe: Recipe, sweep: SweepRecipe, run: Stage) -> list[Stage]:
    """The trials of a run, and the stage that chooses among their rates.

    One that serves the whole study is no arm's own, so that a budget which cannot pay for it ends the study.
    """
    assert isinstance(run.part, TrainPart) and run.arm is not None
    owner = run.arm if sweep.per == "arm" else None
    inputs = {role: name for role, name in run.inputs.items() if role not in ("sweep", "tests")}
    trials = {
        f"trial.{rate}": Stage(f"trial.{run.arm}.{rate}", "trial", _trial(run.part, sweep, rate), inputs, owner)
        for rate in sweep.learning_rate
    }
    part = SweepPart(of=run.arm, choose=sweep.choose, checkpoint=recipe.study.primary.checkpoint)
    chosen = Stage(f"sweep.{run.arm}", "sweep", part, {role: each.name for role, each in trials.items()}, owner)
    return [*trials.values(), chosen]


def _trial(run: TrainPart, sweep: SweepRecipe, rate: float) -> TrialPart:
    """As many evaluations as the run has, on validation alone."""
    assert run.every_steps is not None
    own = {
        "training": run.training.model_copy(update={"learning_rate": rate}),
        "every_steps": max(1, round(run.every_steps * sweep.budget_fraction)),
        "best_by": "validation",
    }
    return TrialPart(run=run.model_copy(update=own), budget_fraction=sweep.budget_fraction)
