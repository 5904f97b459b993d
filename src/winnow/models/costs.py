"""What a model's passes take, as plain data: FLOPs (`flops.py` counts them) and bytes (`training/peak_memory.py` does).

costs.forward(lengths), costs.train(lengths)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Lengths = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coefficients:
    """FLOPs of one pass over an example of n tokens: (body + head) n + attention n^2."""

    body: float
    head: float
    attention: float

    def __call__(self, lengths: Lengths) -> NDArray[np.float64]:
        """FLOPs of examples of these lengths, the head at every position."""
        n = np.asarray(lengths, dtype=np.float64)
        return (self.body + self.head) * n + self.attention * n * n

    def executed(self, *, rows: int, padded_length: int, heads: int) -> float:
        """FLOPs of one micro-batch as done: rows padded to one length, the head at so many positions."""
        return rows * (self.body * padded_length + self.attention * padded_length**2) + self.head * heads


@dataclass(frozen=True, slots=True)
class FlopModel:
    """What examples cost in this model."""

    forward: Coefficients
    train: Coefficients
    """Forward and backward."""
    rerun: Coefficients
    """What gradient checkpointing adds: the layers that gradients pass, forward once more.

    An upper bound: torch ends a layer's rerun at the last value that is kept, which can spare its last matrix.
    """
    parameters: int
    trainable_parameters: int

    def executed(self, *, rows: int, padded_length: int, heads: int, is_rerun: bool) -> float:
        """FLOPs of training on one micro-batch as done, see `Coefficients.executed`."""
        again = self.rerun.executed(rows=rows, padded_length=padded_length, heads=0) if is_rerun else 0.0
        return self.train.executed(rows=rows, padded_length=padded_length, heads=heads) + again

    def six_n(self, tokens: float) -> float:
        """The papers' convention, 6 x parameters x tokens (Kaplan et al. 2020, section 2.1)."""
        return 6.0 * self.parameters * tokens


@dataclass(frozen=True)
class PeakMemory:
    """Bytes of one device at the worst moment of a training step, by what they hold."""

    weights_bytes: int
    """All weights and buffers, trained or not."""
    gradients_bytes: int
    """Gradients there at that moment: all of them where micro-batches accumulate, few where activations peak first."""
    optimizer_bytes: int
    """The optimizer's state."""
    activations_bytes: int
    """What the backward pass needs, blocks of logits, and temporary results."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes
