"""How a step's rows are cut into micro-batches, and the largest one that a run comes to; nothing here needs torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.budget import visit_order
from winnow.models.batch_sizes import least_padded
from winnow.recipe import TrainingRecipe
from winnow.training.lines import line_lengths

DRAWN_VISITS = 50_000
"""So many visits of the first epoch are drawn to find the largest micro-batch; they take half a second."""


@dataclass(frozen=True)
class MicroBatch:
    """The largest micro-batch of a run."""

    rows: int
    length: int
    """Tokens of every row, padding included."""
    targets: int
    """Positions whose prediction is trained on, all rows together."""
    follows: bool = False
    """Whether others of its step go before it even without gradient accumulation, so that gradients are there."""


def micro_cuts(lengths: Sequence[int], *, most: int, start_tokens: int | None) -> list[slice]:
    """Where a step's rows, of ascending length, are cut into micro-batches of up to `most` rows.

    `start_tokens`: the padding that one more micro-batch is worth; None for as few of them as can be.
    """
    if start_tokens is None:
        return [slice(start, min(start + most, len(lengths))) for start in range(0, len(lengths), most)]
    return least_padded(lengths, most=most, start=start_tokens)


def largest_micro_batch(
    lengths: NDArray[np.int64], training: TrainingRecipe, devices: int, *, targets_share: float, seed: int,
    start_tokens: int | None,
) -> MicroBatch:  # fmt: skip
    """The largest micro-batch of a run over rows of these lengths, this share of its tokens targets.

    As many rows as asked for, padded to the longest of all; packed, a row of it is a line, which may be longer than any
    example. With `start_tokens` (see `micro_cuts`), where rows are cut so that they pad least: the one with the most
    tokens of all that a run over all rows makes in its first epoch.
    """
    rows, length = min(training.per_device_batch_size, len(lengths)), int(lengths.max())
    follows = False
    if training.packing:
        length = line_lengths(length)[-1]
    elif start_tokens is not None:
        rows, length, follows = _most_drawn(lengths, training, devices, seed, start_tokens)
    return MicroBatch(rows, length, max(1, int(rows * length * targets_share)), follows)


def _most_drawn(
    lengths: NDArray[np.int64], training: TrainingRecipe, devices: int, seed: int, start_tokens: int
) -> tuple[int, int, bool]:
    """Rows and length of the micro-batch with most tokens, and whether its device has had another of its step."""
    most = training.per_device_batch_size
    global_batch_size = most * training.gradient_accumulation_steps * devices
    drawn = lengths[visit_order(len(lengths), seed=seed, epoch=0)[:DRAWN_VISITS]]
    found = (0, 0, False)
    for first in range(0, len(drawn), global_batch_size):
        step = sorted(drawn[first : first + global_batch_size].tolist())
        for place, cut in enumerate(micro_cuts(step, most=most, start_tokens=start_tokens)):
            each = (cut.stop - cut.start, step[cut.stop - 1], place >= devices)
            found = max(found, each, key=lambda at: (at[0] * at[1], at[2]))
    return found
