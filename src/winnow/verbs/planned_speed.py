"""How fast this machine trains, for a plan: declared, known from before, estimated by arithmetic, or measured."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from winnow.errors import RecipeError
from winnow.recipe import MachineRecipe, Recipe
from winnow.study.identity import known_study
from winnow.training.requirements import missing_here
from winnow.verbs.known_sizes import estimated_speed_of
from winnow.verbs.planned_pool import PlannedPool

SpeedOrigin = Literal["declared", "known", "estimated", "measured", "none"]


@dataclass(frozen=True, slots=True)
class Speed:
    """A machine with its speed."""

    machine: MachineRecipe
    origin: SpeedOrigin


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
    return Speed(recipe.machine.model_copy(update={"flops_per_second": speed}), origin)


def busy() -> list[str]:
    """A note where more processes want to run here than there are cores, by the load of the last minute."""
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    if load <= cores:
        return []
    return [
        f"this machine is busy: about {load:.1f} processes share {cores} cores; the speed is that of a core by itself, "
        "and runs take longer for as long as they share theirs"
    ]
