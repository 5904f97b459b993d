"""What a run takes at once by arithmetic, where its architecture is known; nothing here needs torch."""

import os

import numpy as np

from winnow.models.batch_sizes import START_ON_CPU
from winnow.models.costs import PeakMemory
from winnow.models.host import kind_of_device
from winnow.models.known_flops import known_flops
from winnow.models.known_models import known_parts
from winnow.recipe import Recipe, TrainingRecipe
from winnow.training.estimated_speed import estimated_speed
from winnow.training.known_memory import is_known, known_peak
from winnow.training.largest_batches import MicroBatch, largest_micro_batch
from winnow.verbs.planned_pool import PlannedPool


def start_tokens_of(recipe: Recipe) -> int | None:
    """Padding that one more micro-batch is worth; a device whose memory is declared is taken for an accelerator."""
    return START_ON_CPU if recipe.machine.memory_bytes is None and kind_of_device() == "cpu" else None


def largest_of(recipe: Recipe, training: TrainingRecipe, pool: PlannedPool) -> MicroBatch:
    """The largest micro-batch of a run.

    A declared pool does not tell its longest row; the longest that it may have is taken.
    """
    lengths = np.full(len(pool.lengths), recipe.pool.max_tokens) if pool.is_declared else pool.lengths
    return largest_micro_batch(
        lengths, training, recipe.machine.devices, seed=recipe.study.seeds[0],
        targets_share=pool.targets_share if training.loss_on == "completion" else 1.0,
        start_tokens=start_tokens_of(recipe),
    )  # fmt: skip


def estimated_speed_of(recipe: Recipe, pool: PlannedPool) -> float | None:
    """Reference FLOPs per second, all devices together; None where it has to be measured by training.

    Each thread of a process and each process is taken to have a core of its own, as far as there are cores.
    """
    training, known = recipe.training, known_parts(recipe.base, recipe.training)
    if known is None or kind_of_device() != "cpu" or training.packing or training.compile or training.quantise:
        return None
    length = max(2, int(pool.lengths.mean()))
    speed = estimated_speed(*known, known_flops(*known), rows=training.per_device_batch_size, length=length)
    return speed * min(training.threads * recipe.machine.devices, os.cpu_count() or 1)


def known_peak_of(recipe: Recipe, training: TrainingRecipe, pool: PlannedPool) -> PeakMemory | None:
    """Memory of one device at the worst moment of a run; None where only a step without contents tells."""
    if recipe.machine.devices == 1:
        training = training.model_copy(update={"sharding": "none"})  # there is nothing to cut over
    known = known_parts(recipe.base, training)
    if known is None or kind_of_device() != "cpu" or not is_known(training, known[1]):
        return None
    return known_peak(*known, training, largest_of(recipe, training, pool))
