"""How many rows go through a model at once where nothing is learned."""

from collections.abc import Sequence

import torch

ON_CPU, ON_ACCELERATOR = 2_048, 16_384
"""Tokens, padding counted. On a CPU the activations of more leave its caches (measured, EXPERIMENTS.md)."""


def tokens_at_once(device: torch.device) -> int:
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
