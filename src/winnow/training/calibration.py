"""How many reference FLOPs per second this machine trains at: measured once, when a study first needs it.

What else runs must not change the figure. A run of one thread on a CPU is timed by the CPU time of this process, which
stands still while others have the core; several threads or processes, by the clock on the wall. Of all steps, which are
equally large, the fastest counts: what slows one down is never the step itself. On an accelerator, where steps are
handed over and not waited for one by one, the median of wall times counts.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from winnow.budget import Allowance, plan_visits
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.models.rows import rows_of
from winnow.recipe import Recipe, TrainingRecipe
from winnow.records import Progress, Silent
from winnow.training.batches import EpochBatches
from winnow.training.launching import together
from winnow.training.loop import Job, train
from winnow.training.objectives.goal import goal_of
from winnow.training.ranks import Ranks
from winnow.training.sharding import shard

WARM_UP, MEASURED = 2, 6
"""Steps."""
TYPICAL_TOKENS = 128
"""Length of the rows that are timed."""


def measure(recipe: Recipe) -> float:
    """Reference FLOPs per second that a run of this recipe reaches here."""
    training = recipe.training
    batch_size = training.per_device_batch_size * training.gradient_accumulation_steps * recipe.machine.devices
    tokens = recipe.row_tokens or min(recipe.pool.max_tokens, TYPICAL_TOKENS)
    architecture = loading.architecture_for(recipe.base, row_tokens=recipe.row_tokens)
    return measure_speed(architecture, training, batch_size=batch_size, tokens=tokens, devices=recipe.machine.devices)


def measure_speed(
    architecture: dict[str, Any], training: TrainingRecipe, *, batch_size: int, tokens: int, devices: int = 1
) -> float:
    """Reference FLOPs per second, all devices together, of training steps on random rows of `tokens` tokens.

    Takes a few seconds.
    """
    asked = architecture, training, batch_size, tokens
    if devices == 1:
        return speed_as(Ranks(), *asked, Silent())
    return float(together(speed_as, devices, *asked, progress=Silent()))


def speed_as(
    ranks: Ranks, architecture: dict[str, Any], training: TrainingRecipe, batch_size: int, tokens: int,
    progress: Progress,
) -> float:  # fmt: skip
    """The speed as one of the processes that train together sees it."""
    torch.set_num_threads(training.threads)
    vocabulary = int(loading.build_config(architecture).vocab_size)
    model = loading.build_model(architecture, seed=0, vocab_size=vocabulary, eos_id=0).to(loading.best_device())
    if training.method == "lora":
        model = loading.adapt(model, training.adapter, seed=0)
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
    on_cpu, ticks = loading.best_device().type == "cpu", list[float]()
    clock = clock_for(on_cpu=on_cpu, threads=training.threads, processes=ranks.size)

    class Watch:
        def update(self, done: float, total: float, note: str = "") -> None:
            ticks.append(clock())

    with tempfile.TemporaryDirectory() as folder:
        if training.sharding == "full" and ranks.size > 1:
            ranks = shard(ranks, model, training)
        job = Job(model, goal_of("sft"), batches, training, flops, 0, None, "validation", lambda name: None, ranks)
        train(job, Path(folder), Watch(), None)
    return float(plan.flops / plan.steps / seconds_per_step(ticks, on_cpu=on_cpu))


def clock_for(*, on_cpu: bool, threads: int, processes: int) -> Callable[[], float]:
    """Seconds of CPU time where one thread does all the work, else seconds on the wall."""
    return time.process_time if on_cpu and threads == processes == 1 else time.perf_counter


def seconds_per_step(ticks: Sequence[float], *, on_cpu: bool) -> float:
    """What a step takes by the times at which steps ended, the first ones left out."""
    steps = np.diff(ticks)[WARM_UP - 1 :].tolist()
    return float(min(steps) if on_cpu else statistics.median(steps))
