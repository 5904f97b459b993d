"""The training loop: one flat story.

It stops exactly at its plan, counts what it spends as it goes, evaluates on the way through a probe it is given,
keeps the best and the last weights, and, killed anywhere, goes on to the same bits.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from winnow import stopping
from winnow.errors import TrainingError
from winnow.models.flops import FlopModel
from winnow.models.forward import Batch, Losses
from winnow.models.loading import trainable_state
from winnow.recipe import TrainingRecipe
from winnow.records import Cost, Probe, Progress
from winnow.training import checkpoints
from winnow.training.batches import EpochBatches
from winnow.training.memory import is_out_of_memory
from winnow.training.optimizers import Together, build_optimizer, trained
from winnow.training.schedule import learning_rate_at
from winnow.training.tally import LOGGED_POINTS, Journal, Tally

Optimizer = torch.optim.Optimizer | Together
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float64": None}


@dataclass(frozen=True)
class Job:
    """All that a run needs, made ready."""

    model: Any
    """With its trained weights requiring gradients, on its device."""
    batches: EpochBatches
    recipe: TrainingRecipe
    flops: FlopModel
    seed: int
    every_steps: int | None
    best_by: str
    save: Callable[[str], None]
    """Writes the model as it is now under this name (`best`, `last`)."""


def train(job: Job, folder: Path, progress: Progress, probe: Probe | None) -> tuple[Tally, Cost]:
    """Train to the end of the plan; gives back the run's records and what was wasted.

    Raises TrainingError where the loss is no number or one example does not fit into memory, Stopped at the end of a
    step, its checkpoint written, where the process was asked to stop.
    """
    with stopping.deferred():
        return _train(job, folder, progress, probe)


def _train(job: Job, folder: Path, progress: Progress, probe: Probe | None) -> tuple[Tally, Cost]:
    steps, places = job.batches.plan.steps, folder / "checkpoints"
    places.mkdir(parents=True, exist_ok=True)
    optimizer, losses = build_optimizer(job.model, job.recipe), Losses(job.model, autocast=_autocast(job))
    torch.manual_seed(job.seed)
    tally, journal = _resume(job, optimizer, places), Journal(folder)
    journal.resume(tally.spent + tally.evaluating)
    if not tally.evaluations:
        _evaluate(job, tally, probe)
    saved_at = time.perf_counter()
    job.model.train()
    while tally.step < steps:
        started = time.perf_counter()
        rate = learning_rate_at(tally.step, steps, job.recipe)
        loss, micro_batches = _step_that_fits(job, optimizer, losses, rate, tally, places)
        cost = _cost(job, losses, micro_batches, time.perf_counter() - started)
        tally.count_step(visits=sum(len(b.rows) for b in micro_batches), cost=cost, loss=loss)
        journal.note(tally.spent + tally.evaluating)
        if tally.step % max(1, steps // LOGGED_POINTS) == 0 or tally.step == steps:
            tally.log(rate)
        if tally.step == steps or (job.every_steps and tally.step % job.every_steps == 0):
            _evaluate(job, tally, probe)
            journal.note(tally.spent + tally.evaluating)
            job.model.train()
        is_due = stopping.asked() or time.perf_counter() - saved_at >= job.recipe.checkpoint_every_seconds
        if tally.step < steps and is_due:
            checkpoints.write(places, _checkpoint(job, optimizer, tally))
            saved_at = time.perf_counter()
        if tally.step < steps and stopping.asked():
            raise stopping.Stopped
        progress.update(tally.step, steps, f"loss {loss:.3f}")
    job.save("last")
    return tally, journal.wasted()


def _step_that_fits(
    job: Job, optimizer: Optimizer, losses: Losses, rate: float, tally: Tally, places: Path
) -> tuple[float, list[Batch]]:
    """One step; where memory runs out, the same step again in micro-batches of half the size, from now on."""
    random_state = _random_state()
    while True:
        micro_batches = job.batches.micro_batches(tally.step, tally.micro_batch_size)
        try:
            loss = _step(job, optimizer, losses, micro_batches, rate)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            tally.micro_batch_size = _half(max(len(batch.rows) for batch in micro_batches), micro_batches)
        else:
            if not loss < float("inf"):
                raise _no_number(job, loss, micro_batches, tally.step, places)
            _update(job, optimizer)
            return loss, micro_batches
        # Outside the handler, whose traceback holds on to the tensors of the failed attempt.
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        _set_random_state(random_state)
        warnings.warn(f"out of memory: going on with micro-batches of {tally.micro_batch_size}", stacklevel=2)


def _half(rows: int, micro_batches: list[Batch]) -> int:
    if rows == 1:
        longest = max(batch.ids.shape[1] for batch in micro_batches)
        raise TrainingError(
            f"out of memory with one example of {longest} tokens; lower pool.max_tokens or choose a smaller model"
        )
    return rows // 2


def _no_number(job: Job, loss: float, micro_batches: list[Batch], at: int, places: Path) -> TrainingError:
    rows = [job.batches.rows.names[row] for batch in micro_batches for row in batch.rows]
    good = checkpoints.newest_place(places)
    return TrainingError(
        f"the loss is {loss} at step {at + 1}, on examples {', '.join(rows[:5])} ...; lower training.learning_rate or "
        f"look at these examples; the last good checkpoint is {good if good else 'the start: none was written yet'}"
    )


def _step(job: Job, optimizer: Optimizer, losses: Losses, micro_batches: list[Batch], rate: float) -> float:
    """Gradients of one global batch; gives back its mean loss per target token."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    weight = sum(batch.total_weight() for batch in micro_batches)
    total = 0.0
    for batch in micro_batches:
        # Normalised by the weight of the whole global batch, so that the cut into micro-batches does not matter.
        loss = losses.scaled_sum(batch.to(losses.device), weight)
        loss.backward()
        total += float(loss.detach())
    return total


def _update(job: Job, optimizer: Optimizer) -> None:
    if job.recipe.max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(trained(job.model), job.recipe.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _cost(job: Job, losses: Losses, micro_batches: list[Batch], seconds: float) -> Cost:
    lengths = job.batches.rows.lengths
    members = [row for batch in micro_batches for row in batch.rows]
    tokens = int(lengths[members].sum())
    executed = sum(
        job.flops.train.executed(
            rows=len(batch.rows),
            padded_length=batch.ids.shape[1],
            heads=int(batch.is_target[:, 1:].sum()) if losses.is_sparse else batch.ids.numel(),
        )
        for batch in micro_batches
    )
    return Cost(
        flops=float(job.flops.train(lengths[members]).sum()),
        executed_flops=executed,
        flops_6n=job.flops.six_n(tokens),
        tokens=tokens,
        padded_tokens=sum(batch.ids.numel() for batch in micro_batches),
        seconds=seconds,
    )


def _evaluate(job: Job, tally: Tally, probe: Probe | None) -> None:
    """Run the probe, if there is one, and keep the weights if they are the best so far."""
    if probe is None:
        return
    scores = probe(job.model)
    cost: Cost = scores.pop("cost")
    tally.add_evaluation(scores, cost)
    value = scores["validation"]["loss"] if job.best_by == "validation" else scores["micro"]["loss"]
    if tally.improves(value):
        job.save("best")


def _autocast(job: Job) -> torch.dtype | None:
    if job.recipe.precision != "auto":
        return PRECISIONS[job.recipe.precision]
    on_gpu = next(job.model.parameters()).device.type == "cuda"
    return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else None


def _random_state() -> dict[str, Tensor]:
    on_gpu = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"cpu": torch.get_rng_state()} | on_gpu


def _set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def _checkpoint(job: Job, optimizer: Optimizer, tally: Tally) -> checkpoints.Checkpoint:
    return checkpoints.Checkpoint(
        tally.step, trainable_state(job.model), optimizer.state_dict(), _random_state(), tally.to_json()
    )


def _resume(job: Job, optimizer: Optimizer, places: Path) -> Tally:
    """The state of the newest valid checkpoint, put into model, optimizer and generators; else a fresh start."""
    found = checkpoints.newest(places)
    if found is None:
        return Tally()
    with torch.no_grad():
        for name, weight in trainable_state(job.model).items():
            weight.copy_(found.weights[name])
    optimizer.load_state_dict(found.optimizer)
    _set_random_state(found.random_state)
    return Tally.from_json(found.counts)
