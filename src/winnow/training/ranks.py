"""The processes that train one run together, each on a device of its own: data parallelism on one machine.

Every rank knows the whole global batch, takes its share of the micro-batches, and holds gradients that are already
normalised by the weight of the whole batch. Their *sum* over the ranks is therefore the gradient of the step, however
unequal the shares are; clipping and update are then the same everywhere.

Torch's DistributedDataParallel is not used: it averages over ranks, hooks into `forward` of the whole model, which
training never calls (`models/forward.py` runs backbone and head apart), and waits for a rank whose share is empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from winnow.models.forward import Batch

BUCKET_ELEMENTS = 16_000_000
"""Gradients are summed so many numbers at a time, so that few messages are sent and little memory is taken."""

Hands = list[list[int]]


@dataclass(frozen=True)
class Ranks:
    """This process among those that train a run; alone, as it is by default, it neither waits nor copies."""

    number: int = 0
    """From 0."""
    size: int = 1

    is_sharded = False
    """Whether a rank holds a part of the weights alone; then all ranks evaluate and save together."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one rank that evaluates, writes files and tells how far the run is."""
        return self.number == 0

    def share(self, micro_batches: list[Batch], *, seed: int, step: int) -> Iterator[Batch]:
        """The micro-batches of a step that this rank trains on.

        Among several ranks the random numbers of a micro-batch (dropout) are drawn from seed, step and its place in
        the step, so that they depend neither on who trains on it nor on a resume.
        """
        if self.size == 1:
            yield from micro_batches
            return
        for number in self._hands(micro_batches)[self.number]:
            torch.manual_seed(int(np.random.SeedSequence([seed, step, number]).generate_state(1, np.uint64)[0] >> 1))
            yield micro_batches[number]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each of the flags, whether it is true on some rank."""
        if self.size == 1:
            return flags
        said = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(said, op=distributed.ReduceOp.MAX)
        return tuple(bool(flag) for flag in said)

    def wait(self) -> None:
        """Until all ranks have come here."""
        self.any(False)

    def check_retry(self) -> None:
        """Raises TrainingError where this rank alone cannot give up a micro-batch that did not fit into memory."""

    def sum_up(self, numbers: list[float], weights: list[torch.nn.Parameter]) -> list[float]:
        """Sum the gradients of the weights over all ranks, in place, and the numbers; gives back the numbers."""
        if self.size == 1:
            return numbers
        self._sum_gradients(weights)
        total = torch.tensor(numbers, dtype=torch.float64)
        distributed.all_reduce(total)
        summed: list[float] = total.tolist()
        return summed

    def clip(self, weights: list[torch.nn.Parameter], max_norm: float) -> float:
        """Scale the gradients of all weights down to this norm; gives back what it was."""
        return float(torch.nn.utils.clip_grad_norm_(weights, max_norm))

    def of_first(self, flag: bool) -> bool:
        """What the first rank says, where all of them evaluate."""
        return flag

    def arranged(self, optimizer: Any) -> Any:
        """The fresh optimizer, made ready for weights as the ranks hold them."""
        return optimizer

    def gathered(self, tree: Any) -> Any:
        """The weights or the optimizer's state, whole: what a checkpoint holds."""
        return tree

    def restore(self, weight: Tensor, whole: Tensor) -> None:
        """Put the value of a checkpoint into a weight."""
        weight.copy_(whole)

    def restore_optimizer(self, optimizer: Any, state: dict[str, Any]) -> None:
        """Put the state of a checkpoint into the optimizer."""
        optimizer.load_state_dict(state)

    def prepare_to_save(self) -> None:
        """Bring together on the first rank what a saved model needs; all ranks call it."""

    def saved(self, model: Any) -> Any:
        """The model that is saved in the place of this one, on the first rank."""
        return model

    def _hands(self, micro_batches: list[Batch]) -> Hands:
        return deal([batch.ids.numel() for batch in micro_batches], self.size)

    def _sum_gradients(self, weights: list[torch.nn.Parameter]) -> None:
        has_gradient = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.int32)
        distributed.all_reduce(has_gradient, op=distributed.ReduceOp.MAX)
        # A weight without a gradient on every rank stays so, since optimizers pass it over.
        used = [weight for weight, has in zip(weights, has_gradient.tolist(), strict=True) if has]
        for weight in used:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        for bucket in _buckets([weight.grad for weight in used if weight.grad is not None]):
            _sum_bucket(bucket)


def deal(sizes: Sequence[int], hands: int) -> Hands:
    """Numbers of the sizes for each hand: the largest first, each to the hand with the least so far (Graham 1969)."""
    dealt: Hands = [[] for _ in range(hands)]
    totals = [0] * hands
    for number in sorted(range(len(sizes)), key=lambda at: (-sizes[at], at)):
        hand = min(range(hands), key=lambda at: (totals[at], at))
        dealt[hand].append(number)
        totals[hand] += sizes[number]
    return [sorted(hand) for hand in dealt]


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, so many that they have BUCKET_ELEMENTS together; a larger one alone."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        is_full = sum(each.numel() for each in bucket) + gradient.numel() > BUCKET_ELEMENTS
        if bucket and (is_full or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


def _sum_bucket(gradients: list[Tensor]) -> None:
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
