"""Learning rate over the steps."""

import math

from winnow.recipe import TrainingRecipe


def learning_rate_at(step: int, steps: int, recipe: TrainingRecipe) -> float:
    """Learning rate of step number `step` (from 0) of `steps`.

    Linear warm-up first; then constant, or down to `final_learning_rate_fraction` of the peak along a line, a cosine
    (Loshchilov and Hutter 2017), or, for warmup_stable_decay (Hu et al. 2024), a line over the last `decay_fraction`;
    or with the inverse square root of the step (Vaswani et al. 2017), which knows no end.
    """
    warmup = int(recipe.warmup_fraction * steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / (warmup + 1)
    if recipe.schedule == "inverse_sqrt":
        return recipe.learning_rate * math.sqrt((warmup + 1) / (step + 1))
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.learning_rate * _share_of_peak(progress, recipe)


def _share_of_peak(progress: float, recipe: TrainingRecipe) -> float:
    floor = recipe.final_learning_rate_fraction
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "linear":
        return floor + (1 - floor) * (1 - progress)
    if recipe.schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    stable = 1 - recipe.decay_fraction
    return 1.0 if progress <= stable else floor + (1 - floor) * (1 - progress) / max(recipe.decay_fraction, 1e-9)
