"""Learning rate over the steps."""

import math
from dataclasses import dataclass

from winnow.recipe import TrainingRecipe


@dataclass(frozen=True)
class Cooldown:
    """The end of a run that is branched from a longer one."""

    long_steps: int
    """Steps of the longer run, whose schedule goes on until the cooldown begins."""
    fraction: float
    """Share of all the branch's steps, from the start of the longer run on, that the cooldown takes."""

    def begins(self, steps: int) -> int:
        """The last step, of `steps`, whose rate is still that of the longer run; the rate falls after it."""
        return steps - cooldown_steps(steps, self.fraction)


def cooldown_steps(steps: int, fraction: float) -> int:
    """Steps in the cooldown of a run of `steps`, rounded half up: 5,086 of 25,431 at a fifth."""
    return min(steps, int(fraction * steps + 0.5))


def warmup_steps(recipe: TrainingRecipe, steps: int) -> int:
    """Steps in the warm-up of a run of `steps`, rounded down: 162 of 8,138 at 2 %."""
    return int(recipe.warmup_fraction * steps)


def learning_rate_at(step: int, steps: int, recipe: TrainingRecipe, cooldown: Cooldown | None = None) -> float:
    """Learning rate of step number `step` (from 0) of `steps`.

    Linear warm-up first; then constant, or down to `final_learning_rate_fraction` of the peak along a line, a cosine
    (Loshchilov and Hutter 2017), or, for warmup_stable_decay (Hu et al. 2024), a line over the last `decay_fraction`;
    or with the inverse square root of the step (Vaswani et al. 2017), which knows no end.

    With a cooldown the rate is that of the longer run until the last steps, in which it falls along a line, to
    `final_learning_rate_fraction` of what it then was; from a constant rate that is warmup_stable_decay. Where the
    longer run has that schedule and the cooldown is its decay, the rates are those of such a run of `steps`, with the
    warm-up of the longer one.
    """
    if cooldown is not None and _is_own_decay(cooldown, recipe):
        warmup = warmup_steps(recipe, cooldown.long_steps)
        if step < warmup:
            return learning_rate_at(step, cooldown.long_steps, recipe)
        return recipe.learning_rate * _share_of_peak((step - warmup) / max(1, steps - warmup), recipe)
    if cooldown is not None:
        begins = cooldown.begins(steps)
        rate = learning_rate_at(min(step, begins), cooldown.long_steps, recipe)
        return rate if step <= begins else rate * _falling(step / steps, (steps - begins) / steps, recipe)
    warmup = warmup_steps(recipe, steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    if recipe.schedule == "inverse_sqrt":
        return recipe.learning_rate * math.sqrt((warmup + 1) / (step + 1))
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.learning_rate * _share_of_peak(progress, recipe)


def _is_own_decay(cooldown: Cooldown, recipe: TrainingRecipe) -> bool:
    return recipe.schedule == "warmup_stable_decay" and cooldown.fraction == recipe.decay_fraction


def _share_of_peak(progress: float, recipe: TrainingRecipe) -> float:
    floor = recipe.final_learning_rate_fraction
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "linear":
        return floor + (1 - floor) * (1 - progress)
    if recipe.schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    stable = 1 - recipe.decay_fraction
    return 1.0 if progress <= stable else _falling(progress, max(recipe.decay_fraction, 1e-9), recipe)


def _falling(progress: float, decay_fraction: float, recipe: TrainingRecipe) -> float:
    """Down from 1 along a line over the last `decay_fraction` of a run."""
    floor = recipe.final_learning_rate_fraction
    return floor + (1 - floor) * (1 - progress) / decay_fraction
