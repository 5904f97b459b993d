"""The training loop: one flat story.

It stops exactly at its plan, counts what it spends as it goes, evaluates on the way through a probe it is given,
keeps the best and the last weights, and, killed anywhere, goes on to the same bits.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow import stopping
from winnow.errors import TrainingError
from winnow.models.flops import FlopModel
from winnow.models.forward import Batch, Losses
from winnow.models.loading import trainable_state
from winnow.models.packing import check_packing
from winnow.models.recomputing import recompute_layers
from winnow.recipe import TrainingRecipe
from winnow.records import Cost, Listener, Probe, Progress, unheard
from winnow.store import write_folder
from winnow.training import checkpoints
from winnow.training.batches import Batches
from winnow.training.branching import BRANCHES
from winnow.training.early_stopping import ends_early
from winnow.training.memory import forget_peak, half, is_out_of_memory, no_room_to_update, peak_bytes
from winnow.training.objectives.goal import Goal, Totals, means
from winnow.training.objectives.views import Models
from winnow.training.optimizers import Together, build_optimizer, trained
from winnow.training.precision import autocast_dtype
from winnow.training.random_state import random_state, set_random_state
from winnow.training.ranks import Ranks
from winnow.training.schedule import Cooldown, learning_rate_at
from winnow.training.tally import LOGGED_POINTS, DivergedError, Journal, Tally, Unwritten

Optimizer = torch.optim.Optimizer | Together
CHECKPOINTS = "checkpoints"
JUDGED_BY = {"validation": "validation", "target": "target_validation", "test": "micro"}
"""How the best checkpoint is chosen -> the loss of an evaluation on the way that is looked at."""
"""Where a run's checkpoints stand, below its folder."""
NAMED_EXAMPLES = 50
"""So many examples of a step that went wrong are named."""


@dataclass(frozen=True)
class Job:
    """All that a run needs, made ready."""

    model: Any
    """With its trained weights requiring gradients, on its device."""
    goal: Goal
    """What is minimised."""
    batches: Batches
    recipe: TrainingRecipe
    flops: FlopModel
    seed: int
    every_steps: int | None
    best_by: str
    save: Callable[[Path], None]
    """Writes the model as it is now into this folder."""
    ranks: Ranks = Ranks()
    """The processes that train together; the first one evaluates and writes."""
    cooldown: Cooldown | None = None
    """How the run ends, if it is branched from a longer one."""
    kept_steps: frozenset[int] = frozenset()
    """Steps after which the whole state is kept, for branches."""
    hear: Listener = unheard
    """Told what the run has recorded, after every step."""

    @cached_property
    def visit_flops(self) -> NDArray[np.float64]:
        """[rows]: reference FLOPs of a visit to each."""
        return self.goal.visit_flops(self.flops, self.batches.rows)


def train(job: Job, folder: Path, progress: Progress, probe: Probe | None) -> tuple[Tally, Cost]:
    """Train to the end of the plan; gives back the run's records and what was wasted.

    Raises TrainingError where loss or gradient are no numbers or one example or an update does not fit into memory,
    Stopped at the end of a step or in its evaluation, its checkpoint written, where the process was asked to stop.
    """
    with stopping.deferred():
        return _train(job, folder, progress, probe)


def _train(job: Job, folder: Path, progress: Progress, probe: Probe | None) -> tuple[Tally, Cost]:
    steps, places = job.batches.plan.steps, folder / CHECKPOINTS
    places.mkdir(parents=True, exist_ok=True)
    optimizer, models = job.ranks.arranged(build_optimizer(job.model, job.recipe)), _models(job)
    torch.manual_seed(job.seed)
    tally = _resume(job, optimizer, places)
    journal = Journal(folder) if job.ranks.is_first else Unwritten(folder)
    journal.resume(tally.spent + tally.evaluating)
    if _lacks_evaluation(job, tally):
        _evaluate(job, tally, journal, probe, places, optimizer)
        job.hear(tally.steps, tally.evaluations)
    saved_at = time.perf_counter()
    job.model.train()
    is_over = job.ranks.of_first(ends_early(tally, job.recipe))
    while tally.step < steps and not is_over:
        started = time.perf_counter()
        rate = learning_rate_at(tally.step, steps, job.recipe, job.cooldown)
        loss, metrics, micro_batches = _step_that_fits(job, optimizer, models, rate, tally, places)
        cost = _cost(job, models, micro_batches, time.perf_counter() - started)
        tally.count_step(visits=sum(len(b.rows) for b in micro_batches), cost=cost, loss=loss, metrics=metrics)
        tally.peak_memory_bytes = max(tally.peak_memory_bytes, peak_bytes())
        journal.note(tally.spent + tally.evaluating)
        if tally.step % max(1, steps // LOGGED_POINTS) == 0 or tally.step == steps:
            tally.log(rate)
        if _is_evaluated_after(job, tally.step):
            _evaluate(job, tally, journal, probe, places, optimizer)
            is_over = job.ranks.of_first(ends_early(tally, job.recipe))
            job.model.train()
        job.hear(tally.steps, tally.evaluations)
        if tally.step in job.kept_steps:
            _keep(job, optimizer, tally, places, folder / BRANCHES)
        is_late = time.perf_counter() - saved_at >= job.recipe.checkpoint_every_seconds
        is_asked, is_due = job.ranks.any(stopping.asked(), is_late)
        if is_asked or (is_due and tally.step < steps):
            _save(job, optimizer, tally, places)
            saved_at = time.perf_counter()
        if is_asked:
            job.ranks.wait()  # for the one that writes: a rank that has left ends the others
            raise stopping.Stopped
        progress.update(tally.step, steps, f"loss {loss:.3f}")
    if tally.pending:  # the run ended between two points of its log
        tally.log(learning_rate_at(tally.step - 1, steps, job.recipe, job.cooldown))
    job.ranks.prepare_to_save()
    if job.ranks.is_first:
        write_folder(folder / "last", job.save)
    return tally, journal.wasted()


def _models(job: Job) -> Models:
    """The models' losses, the trained model made ready for what the recipe asks of it."""
    if job.recipe.packing:
        check_packing(job.model)
    if job.recipe.gradient_checkpointing:
        recompute_layers(job.model)
    dtype = autocast_dtype(job.recipe.precision, next(job.model.parameters()).device)
    return job.goal.models(Losses(job.model, autocast=dtype, is_compiled=job.recipe.compile))


def _step_that_fits(
    job: Job, optimizer: Optimizer, models: Models, rate: float, tally: Tally, places: Path
) -> tuple[float, dict[str, float], list[Batch]]:
    """One step: its loss, metrics and batches.

    Where memory runs out, the same step again in micro-batches of half the size, from now on.
    """
    before = random_state()
    while True:
        micro_batches = job.batches.micro_batches(tally.step, tally.micro_batch_size)
        share = job.ranks.share(micro_batches, seed=job.seed, step=tally.step)
        sums = _gradients(job, models, share, sum(job.goal.weight(batch) for batch in micro_batches))
        has_failed = any(job.ranks.any(sums is None))
        if sums is not None and not has_failed:
            return *_updated(job, optimizer, rate, sums, micro_batches, tally, places), micro_batches
        tally.micro_batch_size = half(micro_batches)
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        set_random_state(before)
        warnings.warn(f"out of memory: going on with micro-batches of {tally.micro_batch_size}", stacklevel=2)


def _no_number(
    job: Job, loss: float, norm: float, micro_batches: list[Batch], tally: Tally, places: Path
) -> DivergedError:
    """What to say of a step whose loss, or whose gradient alone, is infinite or no number; its weights are whole."""
    what = f"the norm of the gradient is {norm}" if math.isfinite(loss) else f"the loss is {loss}"
    rows = [job.batches.rows.names[row] for batch in micro_batches for row in batch.rows]
    more = f" and {len(rows) - NAMED_EXAMPLES} more" if len(rows) > NAMED_EXAMPLES else ""
    return DivergedError(
        f"{what} at step {tally.step + 1}, on examples {', '.join(rows[:NAMED_EXAMPLES])}{more}; lower "
        f"training.learning_rate or look at these examples; {checkpoints.last_good(places)}", tally,
    )  # fmt: skip


def _gradients(job: Job, models: Models, share: Iterable[Batch], weight: float) -> list[float] | None:
    """Gradients of a share of a global batch that has this weight; gives back the share's part of its `Totals`.

    None where memory ran out; the traceback, which holds on to the tensors of the failed attempt, is gone by then.
    """
    device = models.trained.device
    totals = Totals(job.goal.objective.metrics, device)
    try:
        for batch in share:
            # Normalised by the weight of the whole global batch, so that the cut into micro-batches does not matter.
            loss = job.goal.loss(models, batch.to(device), total_weight=weight)
            loss.value.backward()
            totals.add(loss)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        job.ranks.check_retry()
        return None
    return totals.numbers()


def _updated(
    job: Job, optimizer: Optimizer, rate: float, sums: list[float], micro_batches: list[Batch], tally: Tally,
    places: Path,
) -> tuple[float, dict[str, float]]:  # fmt: skip
    """Update the weights from the gradients of all ranks; gives back loss and metrics of the step.

    Raises TrainingError where memory runs out: weights that may be half updated are left to nobody.
    """
    try:
        loss, *metrics = job.ranks.sum_up(sums, trained(job.model))
        norm = job.ranks.clip(trained(job.model), job.recipe.max_grad_norm or math.inf)
        if not math.isfinite(loss + norm):
            raise _no_number(job, loss, norm, micro_batches, tally, places)
        _update(optimizer, rate)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        weights = sum(weight.numel() for weight in trained(job.model))
        found = no_room_to_update(job.recipe, weights=weights, step=tally.step + 1)
        raise TrainingError(f"{found}; {checkpoints.last_good(places)}") from error
    return loss, means(job.goal.objective.metrics, metrics)


def _update(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _cost(job: Job, models: Models, micro_batches: list[Batch], seconds: float) -> Cost:
    visits = [row for batch in micro_batches for row in batch.rows]
    tokens = int(job.batches.rows.lengths[visits].sum())
    is_rerun = job.recipe.gradient_checkpointing
    return Cost(
        flops=float(job.visit_flops[visits].sum()),
        executed_flops=sum(job.goal.executed_flops(models, job.flops, b, is_rerun=is_rerun) for b in micro_batches),
        flops_6n=job.flops.six_n(tokens),
        tokens=tokens,
        padded_tokens=sum(batch.ids.numel() for batch in micro_batches),
        seconds=seconds,
    )


def _is_evaluated_after(job: Job, step: int) -> bool:
    """Whether the probe runs when this step is done."""
    return step == job.batches.plan.steps or bool(job.every_steps and step % job.every_steps == 0)


def _lacks_evaluation(job: Job, tally: Tally) -> bool:
    """Whether the run is at its start, or goes on from a step whose evaluation was stopped."""
    is_due = tally.step == 0 or _is_evaluated_after(job, tally.step)
    return not tally.evaluations or (is_due and tally.evaluations[-1]["step"] != tally.step)


def _evaluate(
    job: Job, tally: Tally, journal: Journal, probe: Probe | None, places: Path, optimizer: Optimizer
) -> None:
    """Run the probe, if there is one, and keep the weights if they are the best so far.

    Raises Stopped where the process is asked to stop meanwhile; the step is saved, and its evaluation will be done
    when the run goes on. Several ranks wait for one that evaluates, so they stop after it.
    """
    if probe is None:
        return
    try:
        with stopping.at_once() if job.ranks.size == 1 else nullcontext():
            scores = probe(job.model)
    except stopping.Stopped:
        if tally.step:
            _save(job, optimizer, tally, places)
        raise
    forget_peak()
    cost: Cost = scores.pop("cost")
    tally.add_evaluation(scores, cost)
    journal.note(tally.spent + tally.evaluating)
    value: float = scores[JUDGED_BY[job.best_by]]["loss"]
    if job.ranks.of_first(tally.improves(value)):
        job.ranks.prepare_to_save()
        if job.ranks.is_first:
            checkpoints.save_best(places, tally.step, job.save)


def _save(job: Job, optimizer: Optimizer, tally: Tally, places: Path, *, keep_all: bool = False) -> None:
    weights, state = job.ranks.gathered(trainable_state(job.model)), job.ranks.gathered(optimizer.state_dict())
    if job.ranks.is_first:
        counts = tally.to_json()
        state_now = checkpoints.Checkpoint(tally.step, weights, state, random_state(), counts, tally.kept_step)
        checkpoints.write(places, state_now, keep_all=keep_all)


def _keep(job: Job, optimizer: Optimizer, tally: Tally, places: Path, branches: Path) -> None:
    """Keep the whole state for runs that branch from here, with the best weights so far."""
    if job.ranks.is_first and tally.kept_step is not None:
        checkpoints.copy_best(places, branches, checkpoints.best_name(tally.kept_step))
    _save(job, optimizer, tally, branches, keep_all=True)


def _resume(job: Job, optimizer: Optimizer, places: Path) -> Tally:
    """The state of the newest valid checkpoint, put into model, optimizer and generators; else a fresh start."""
    found = checkpoints.newest(places)
    job.ranks.wait()  # until all have read, before the first one writes
    if found is None:
        return Tally()
    with torch.no_grad():
        for name, weight in trainable_state(job.model).items():
            job.ranks.restore(weight, found.weights[name])
    job.ranks.restore_optimizer(optimizer, found.optimizer)
    set_random_state(found.random_state)
    return Tally.from_json(found.counts)
