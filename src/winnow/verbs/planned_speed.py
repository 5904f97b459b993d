"""How fast this machine trains, for a plan: declared, known from before, estimated by arithmetic, or measured."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from winnow.errors import RecipeError
from winnow.models.host import kind_of_device
from winnow.recipe import MachineRecipe, Recipe
from winnow.study.identity import known_study
from winnow.training.requirements import missing_here
from winnow.verbs.known_sizes import estimated_speed_of
from winnow.verbs.planned_evaluation import Looks
from winnow.verbs.planned_pool import PlannedPool

WRITING = 3.5
"""How many times as long a written token's FLOPs take on a CPU as those of training (measured, EXPERIMENTS.md)."""
STEP_SECONDS = 0.003
"""Of one step of a batch of answers, whatever is in it (measured, as above)."""
SpeedOrigin = Literal["declared", "known", "estimated", "measured", "none"]


@dataclass(frozen=True, slots=True)
class Speed:
    """A machine with its speed."""

    machine: MachineRecipe
    origin: SpeedOrigin
    is_cpu: bool = False
    """It is that of a CPU here, and not what a recipe says of another machine."""


def speed_for(recipe: Recipe, trained: Recipe, pool: PlannedPool, folder: Path) -> tuple[Speed, list[str]]:
    """The machine of a recipe with the speed at which one arm trains, with notes where the machine is busy.

    Raises RecipeError where it would have to be measured, and this machine cannot train so.
    """
    if recipe.machine.flops_per_second is not None:
        return Speed(recipe.machine, "declared"), []
    if trained.training.method == "none":
        return Speed(recipe.machine, "none"), []
    known = ((known_study(folder) or {}).get("machine") or {}).get("flops_per_second")
    lacking = missing_here(trained.training)
    if known is None and lacking is not None:
        raise RecipeError(f"{lacking}; to plan it here declare machine.flops_per_second")
    notes = busy() if known is None else []
    estimated = estimated_speed_of(trained, pool) if known is None else None
    if known is None and estimated is None:
        from winnow.training.calibration import measure

        return _with(recipe, measure(trained), "measured"), notes
    return _with(recipe, known or estimated or 0.0, "known" if known else "estimated"), notes


def _with(recipe: Recipe, speed: float, origin: SpeedOrigin) -> Speed:
    machine = recipe.machine.model_copy(update={"flops_per_second": speed})
    return Speed(machine, origin, is_cpu=kind_of_device() == "cpu")


def seconds_of(looks: Looks, speed: Speed) -> float:
    """What evaluation takes; nothing where the recipe says it in `machine.fixed_seconds`.

    A pass over rows goes at the speed of training. On a CPU a token that is written takes longer for its FLOPs, and
    every step of a batch of answers a moment for itself; of a declared speed nothing of the kind is known.
    """
    machine = speed.machine
    if machine.fixed_seconds:
        return 0.0
    slow = (WRITING - 1) * looks.written_flops if speed.is_cpu else 0.0
    starts = STEP_SECONDS * looks.written_steps if speed.is_cpu else 0.0
    return (looks.flops + slow) / (machine.flops_per_second or 1.0) + starts


def busy() -> list[str]:
    """A note where more processes want to run here than there are cores, by the load of the last minute."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    if load <= cores:
        return []
    return [
        f"this machine is busy: about {load:.1f} processes share {cores} cores; the speed is that of a core by itself, "
        "and runs take longer for as long as they share theirs"
    ]
