"""How many reference FLOPs per second this machine trains at: measured once, when a study first needs it."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from winnow.budget import Allowance, plan_visits
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.models.rows import rows_of
from winnow.recipe import Recipe, TrainingRecipe
from winnow.training.batches import EpochBatches
from winnow.training.loop import Job, train

WARM_UP, MEASURED = 2, 6
"""Steps."""
TYPICAL_TOKENS = 128
"""Length of the rows that are timed."""


def measure(recipe: Recipe) -> float:
    """Reference FLOPs per second that a run of this recipe reaches here."""
    training = recipe.training
    batch_size = training.per_device_batch_size * training.gradient_accumulation_steps * recipe.machine.devices
    tokens = min(recipe.pool.max_tokens, TYPICAL_TOKENS)
    return measure_speed(loading.architecture_for(recipe.base), training, batch_size=batch_size, tokens=tokens)


def measure_speed(architecture: dict[str, Any], training: TrainingRecipe, *, batch_size: int, tokens: int) -> float:
    """Median reference FLOPs per second of training steps on random rows of `tokens` tokens.

    Takes a few seconds; the figure is a median over steps, since machines are shared.
    """
    torch.set_num_threads(training.threads)
    vocabulary = int(loading.build_config(architecture).vocab_size)
    model = loading.build_model(architecture, seed=0, vocab_size=vocabulary, eos_id=0).to(loading.best_device())
    if training.method == "lora":
        model = loading.adapt(model, training.lora, seed=0)
    rng = np.random.default_rng(0)
    steps = WARM_UP + MEASURED
    ids = [rng.integers(0, vocabulary, tokens).astype(np.int32) for _ in range(batch_size * steps)]
    rows = rows_of([str(i) for i in range(len(ids))], ids, np.full(len(ids), max(1, tokens // 2)))
    flops = flop_model(model)
    plan = plan_visits(
        rows.lengths, flops.train(rows.lengths), allowed=Allowance("visits", len(ids)),
        global_batch_size=batch_size, seed=0,
    )  # fmt: skip
    batches = EpochBatches(
        rows, plan, global_batch_size=batch_size, micro_batch_size=training.per_device_batch_size, seed=0
    )
    ticks: list[float] = []

    class Watch:
        def update(self, done: float, total: float, note: str = "") -> None:
            ticks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        job = Job(model, batches, training, flops, 0, None, "validation", lambda name: None)
        train(job, Path(folder), Watch(), None)
    per_step = statistics.median(np.diff(ticks)[WARM_UP - 1 :].tolist())
    return float(plan.flops / plan.steps / per_step)
