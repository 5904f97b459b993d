"""How many rows go through a model at once: in training, and where nothing is learned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

ON_CPU, ON_ACCELERATOR = 2_048, 16_384
"""Tokens, padding counted. On a CPU the activations of more leave its caches (measured, EXPERIMENTS.md)."""

START_ON_CPU = 64
"""Tokens whose training takes about the time that one more micro-batch does, whatever is in it (measured, as above)."""


def tokens_at_once(device: "torch.device") -> int:
    """Tokens in one forward pass: fixed for a kind of device, since the last bits of a loss depend on it."""
    return ON_CPU if device.type == "cpu" else ON_ACCELERATOR


def cuts(lengths: Sequence[int], tokens: int) -> list[slice]:
    """Rows of ascending length in batches whose longest row times their rows is at most `tokens`, or of one row."""
    found, start = [], 0
    for end, length in enumerate(lengths):
        if end > start and (end + 1 - start) * length > tokens:
            found.append(slice(start, end))
            start = end
    return [*found, slice(start, len(lengths))] if len(lengths) else []


def start_tokens(device: "torch.device") -> int | None:
    """Padding that one more micro-batch is worth; None on an accelerator, which is busy with large ones alone."""
    return START_ON_CPU if device.type == "cpu" else None


def least_padded(lengths: Sequence[int], *, most: int, start: int) -> list[slice]:
    """Rows of ascending length in batches of up to `most`, in the way that takes the fewest tokens.

    Counted are those of all rectangles, padding included, and `start` for every batch. Exact: the best way to cut the
    first rows is known before those that follow are added.
    """
    fewest, came_from = np.zeros(len(lengths) + 1), np.zeros(len(lengths) + 1, dtype=np.int64)
    for end, length in enumerate(lengths, start=1):
        starts = np.arange(max(0, end - most), end)
        tokens = fewest[starts] + (end - starts) * length + start
        came_from[end] = starts[tokens.argmin()]
        fewest[end] = tokens.min()
    found: list[slice] = []
    end = len(lengths)
    while end:
        found.append(slice(int(came_from[end]), end))
        end = int(came_from[end])
    return found[::-1]
