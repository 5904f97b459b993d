"""The training loop: one flat story.

It stops exactly at its plan, counts what it spends as it goes, evaluates on the way through a probe it is given,
keeps the best and the last weights, and, killed anywhere, goes on to the same bits.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from winnow.errors import TrainingError
from winnow.models.flops import FlopModel
from winnow.models.forward import Batch, Losses
from winnow.models.loading import trainable_state
from winnow.recipe import TrainingRecipe
from winnow.records import Cost, Probe, Progress
from winnow.training import checkpoints
from winnow.training.batches import EpochBatches
from winnow.training.schedule import learning_rate_at
from winnow.training.tally import LOGGED_POINTS, Journal, Tally

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

    Raises TrainingError where the loss is no number.
    """
    steps, places = job.batches.plan.steps, folder / "checkpoints"
    places.mkdir(parents=True, exist_ok=True)
    optimizer, losses = _optimizer(job), Losses(job.model, autocast=_autocast(job))
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
        micro_batches = job.batches.micro_batches(tally.step)
        loss = _step(job, optimizer, losses, micro_batches, rate, at=tally.step)
        cost = _cost(job, losses, micro_batches, time.perf_counter() - started)
        tally.count_step(visits=sum(len(b.rows) for b in micro_batches), cost=cost, loss=loss)
        journal.note(tally.spent + tally.evaluating)
        if tally.step % max(1, steps // LOGGED_POINTS) == 0 or tally.step == steps:
            tally.log(rate)
        if tally.step == steps or (job.every_steps and tally.step % job.every_steps == 0):
            _evaluate(job, tally, probe)
            journal.note(tally.spent + tally.evaluating)
            job.model.train()
        if tally.step < steps and time.perf_counter() - saved_at >= job.recipe.checkpoint_every_seconds:
            checkpoints.write(places, _checkpoint(job, optimizer, tally))
            saved_at = time.perf_counter()
        progress.update(tally.step, steps, f"loss {loss:.3f}")
    job.save("last")
    return tally, journal.wasted()


def _step(
    job: Job, optimizer: torch.optim.Optimizer, losses: Losses, micro_batches: list[Batch], rate: float, *, at: int
) -> float:
    """One optimizer update on one global batch; gives back its mean loss per target token."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    weight = sum(batch.total_weight() for batch in micro_batches)
    total = 0.0
    for batch in micro_batches:
        # Normalised by the weight of the whole global batch, so that the cut into micro-batches does not matter.
        loss = _weighed_sum(losses, batch.to(losses.device)) / weight
        loss.backward()
        total += float(loss.detach())
    if not total < float("inf"):
        rows = [job.batches.rows.names[row] for batch in micro_batches for row in batch.rows]
        raise TrainingError(
            f"the loss is {total} at step {at + 1}, on examples {', '.join(rows[:5])} ...; "
            "lower training.learning_rate or look at these examples"
        )
    if job.recipe.max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(trained(job.model), job.recipe.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def _weighed_sum(losses: Losses, batch: Batch) -> Tensor:
    """The losses of a batch's targets, each times its row's weight."""
    found, weights = losses.of_targets(batch), batch.target_weights()
    return found.sum() if weights is None else (found * weights.to(found.dtype)).sum()


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


def trained(model: Any) -> list[torch.nn.Parameter]:
    """The weights that are trained."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _optimizer(job: Job) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); biases and norms are not decayed."""
    weights = trained(job.model)
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": job.recipe.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0, betas=job.recipe.betas, fused=True)


def _autocast(job: Job) -> torch.dtype | None:
    if job.recipe.precision != "auto":
        return PRECISIONS[job.recipe.precision]
    on_gpu = next(job.model.parameters()).device.type == "cuda"
    return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else None


def _checkpoint(job: Job, optimizer: torch.optim.Optimizer, tally: Tally) -> checkpoints.Checkpoint:
    random_state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        random_state["cuda"] = torch.cuda.get_rng_state()
    return checkpoints.Checkpoint(
        tally.step, trainable_state(job.model), optimizer.state_dict(), random_state, tally.to_json()
    )


def _resume(job: Job, optimizer: torch.optim.Optimizer, places: Path) -> Tally:
    """The state of the newest valid checkpoint, put into model, optimizer and generators; else a fresh start."""
    found = checkpoints.newest(places)
    if found is None:
        return Tally()
    with torch.no_grad():
        for name, weight in trainable_state(job.model).items():
            weight.copy_(found.weights[name])
    optimizer.load_state_dict(found.optimizer)
    torch.set_rng_state(found.random_state["cpu"])
    if "cuda" in found.random_state:
        torch.cuda.set_rng_state(found.random_state["cuda"])
    return Tally.from_json(found.counts)
