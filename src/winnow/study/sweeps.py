"""The learning-rate sweep of a study as stages: a trial for each rate of the grid, and the stage that chooses.

A trial is the arm's own run, of the sweep's seed, cut short: same rows, same start, same schedule over fewer steps.
With `per: study` there is one sweep, of the primary comparison's baseline, and every run rests on it; with `per:` a
factor one for each of its levels, of the arm that is the baseline in all else.
"""

from winnow.errors import RecipeError, nearest
from winnow.parts import SweepPart, TrainPart, TrialPart
from winnow.recipe import Recipe, SweepRecipe
from winnow.records import Stage
from winnow.study.arms import Arm, like, primary_baseline

RATE = "training.learning_rate"


def check_sweep(recipe: Recipe, arms: list[Arm]) -> None:
    """Raises RecipeError where a sweep is per a factor or of an arm that is not there, or the rate varies itself."""
    sweep = recipe.study.sweep
    if sweep is None:
        return
    factors = list(dict.fromkeys(factor for arm in arms for factor in arm.factors))
    if sweep.per not in ("arm", "study", *factors):
        allowed = "arm, study" + (f", or a factor: {', '.join(factors)}" if factors else "")
        raise RecipeError(f"study.sweep.per is {sweep.per!r}{nearest(sweep.per, factors)}; allowed: {allowed}")
    varying = next((arm for arm in arms if RATE in arm.settings), None)
    if varying is not None:
        raise RecipeError(
            f"study.sweep chooses the learning rate, and arm {varying.name} sets {RATE}; leave one of them out"
        )
    swept_arms(recipe, arms)


def swept_arms(recipe: Recipe, arms: list[Arm]) -> list[Arm]:
    """The arms on whose data rates are tried. Raises RecipeError where there is no such arm."""
    trained = [arm for arm in arms if arm.recipe.training.method != "none"]
    if recipe.study.sweep is None:
        return []
    return list({owner.name: owner for arm in trained for owner in [_owner(recipe, arm, arms)]}.values())


def sweep_stage(recipe: Recipe, arm: Arm, arms: list[Arm]) -> str | None:
    """Name of the stage that chooses this arm's learning rate; null where the recipe gives it."""
    if recipe.study.sweep is None or arm.recipe.training.method == "none":
        return None
    return f"sweep.{_owner(recipe, arm, arms).name}"


def _owner(recipe: Recipe, arm: Arm, arms: list[Arm]) -> Arm:
    """The arm whose trials choose this arm's rate."""
    assert recipe.study.sweep is not None
    per = recipe.study.sweep.per
    if per == "arm":
        return arm
    baseline = _baseline(recipe, arms)
    if per == "study":
        return baseline
    owner = like(baseline, arms, **{per: arm.factors[per]})
    if owner is None:
        raise RecipeError(
            f"study.sweep tries rates per {per} on the arm that is {baseline.name} in all else, and there is none with "
            f"{per} {arm.factors[per]}; name another study.primary.baseline, or sweep per arm"
        )
    return owner


def _baseline(recipe: Recipe, arms: list[Arm]) -> Arm:
    found = primary_baseline(recipe, arms)
    if found is None:
        name, known = recipe.study.primary.baseline, [arm.name for arm in arms]
        raise RecipeError(
            f"study.sweep tries rates on the data of study.primary.baseline, {name!r}{nearest(name, known)}; this "
            f"study has {', '.join(known)}"
        )
    return found


def sweep_stages(recipe: Recipe, arm: Arm, run: Stage) -> list[Stage]:
    """The trials of a run, and the stage that chooses among their rates.

    One that serves several arms is no arm's own, so that a budget which cannot pay for it ends the study.
    """
    sweep = recipe.study.sweep
    assert sweep is not None and isinstance(run.part, TrainPart)
    owner = arm.name if sweep.per == "arm" else None
    inputs = {role: name for role, name in run.inputs.items() if role not in ("sweep", "tests", "trunk")}
    trials = {
        f"trial.{rate}": Stage(f"trial.{arm.name}.{rate}", "trial", _trial(run.part, sweep, rate), inputs, owner)
        for rate in sweep.learning_rate
    }
    part = SweepPart(
        of=arm.name, choose=sweep.choose, checkpoint=recipe.study.primary.checkpoint,
        beyond=_trial(run.part, sweep, sweep.learning_rate[0]) if sweep.edge == "extend" else None,
    )  # fmt: skip
    beyond = inputs if sweep.edge == "extend" else {}
    chosen = Stage(
        f"sweep.{arm.name}", "sweep", part, {role: each.name for role, each in trials.items()} | beyond, owner
    )
    return [*trials.values(), chosen]


def _trial(run: TrainPart, sweep: SweepRecipe, rate: float) -> TrialPart:
    """As many evaluations as the run has, on held-out examples; of a branch, a run of its length from the start."""
    assert run.every_steps is not None
    own = {
        "training": run.training.model_copy(update={"learning_rate": rate}),
        "every_steps": max(1, round(run.every_steps * sweep.budget_fraction)),
        "best_by": "validation" if run.best_by == "test" else run.best_by,
        "keep_for": (),
        "cooldown": None,
        "budget": run.budget if run.cooldown is None else run.cooldown.budget,
    }
    return TrialPart(run=run.model_copy(update=own), budget_fraction=sweep.budget_fraction)
