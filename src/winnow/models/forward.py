"""Losses of target tokens, with the head computed at target positions only.

Batches are padded on the right. With causal attention a real token never sees what stands right of it, so padding
needs no mask: results of a row do not depend on what it is padded to, except in the last bits.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from winnow.models.compiling import compiled
from winnow.models.cross_entropy import scaled_cross_entropy

LARGE = 1000.0
"""Makes logits of a few hundredths larger than any cap in use (Gemma 2: 30)."""


@dataclass(frozen=True)
class Batch:
    """Lines of token ids, padded on the right: an example each, or, packed, several end to end."""

    ids: Tensor
    """[batch, time], int64."""
    is_target: Tensor
    """[batch, time], bool: tokens whose prediction counts. Column 0 never does."""
    rows: list[int]
    """Which examples these are."""
    real_tokens: int
    weights: Tensor | None = None
    """[rows], float64: how much each example's targets count; null where all count alike."""
    positions: Tensor | None = None
    """[batch, time], int64: where each token stands in its own example, if packed; else null."""
    example_of: Tensor | None = None
    """[batch, time], int64: index in `rows` of each token's example, if packed; else null."""

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in tensors.items()}
        return replace(self, **moved)

    def examples_of_targets(self) -> Tensor:
        """[targets]: index in `rows` of the example of each, in the order of `Losses.of_targets`."""
        targets = self.is_target[:, 1:]
        return targets.nonzero()[:, 0] if self.example_of is None else self.example_of[:, 1:][targets]

    def target_weights(self) -> Tensor | None:
        """[targets], in the order of `Losses.of_targets`; null where all count alike."""
        return None if self.weights is None else self.weights[self.examples_of_targets()]

    def weighed_sum(self, losses: Tensor) -> Tensor:
        """The sum of [targets] values, in the order of `Losses.of_targets`, each counted by its row's weight."""
        weights = self.target_weights()
        return (losses if weights is None else losses * weights.to(losses.dtype)).sum()

    def total_weight(self) -> float:
        """Number of targets, each counted by its row's weight."""
        weights = self.target_weights()
        return float(self.is_target[:, 1:].sum() if weights is None else weights.sum())


class Losses:
    """Losses of one model, the head at target positions only where the model allows it."""

    def __init__(self, model: Any, *, autocast: torch.dtype | None = None, is_compiled: bool = False) -> None:
        self.model = model
        self.plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.autocast = autocast
        self.device = next(model.parameters()).device
        self.is_sparse = self._head_is_plain()
        self.is_blockwise = self.is_sparse and type(self.plain.get_output_embeddings()) is torch.nn.Linear
        run = self.plain.base_model if self.is_sparse else self.model
        self._run = compiled(run) if is_compiled else run

    def of_targets(self, batch: Batch) -> Tensor:
        """Cross-entropy of each target token in nats, float32 (float64 models: float64), row by row.

        [targets], in the order of `batch.is_target[:, 1:].nonzero()`.
        """
        return self._cross_entropy(batch, self._states(batch))

    def scaled_sum(self, batch: Batch, total_weight: float) -> Tensor:
        """Sum over the targets of weight x loss / `total_weight`, ready for a backward pass.

        Where the head allows it the logits are made and used a block at a time, so that memory does not grow with
        targets x vocabulary.
        """
        if not self.is_blockwise:
            return batch.weighed_sum(self.of_targets(batch)) / total_weight
        weights = batch.target_weights()
        targets = batch.is_target[:, 1:]
        with self._casting():
            hidden = self._states(batch)[:, :-1][targets]
            scales = torch.full((len(hidden),), 1 / total_weight, dtype=torch.float64, device=self.device)
            head = self.plain.get_output_embeddings()
            return scaled_cross_entropy(
                hidden, head.weight, head.bias, batch.ids[:, 1:][targets],
                scales if weights is None else scales * weights,
            )  # fmt: skip

    def of_rows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum of the losses and number of targets of every example, [rows] each, float64 and int64."""
        return self._by_row(batch, self.of_targets(batch))

    def of_rows_and_next(self, batch: Batch, lengths: Tensor, cache: Any) -> tuple[Tensor, Tensor, Tensor]:
        """What `of_rows` gives, and the most likely token after the first `lengths` tokens of each example, [rows].

        Keys and values of the whole batch, which is not packed, are left in the empty `cache`.
        """
        states = self._states(batch, cache)
        sums, counts = self._by_row(batch, self._cross_entropy(batch, states))
        rows = torch.arange(len(states), device=self.device)
        with self._casting():
            return sums, counts, self._logits(states[rows, lengths - 1]).argmax(dim=-1)

    def _by_row(self, batch: Batch, losses: Tensor) -> tuple[Tensor, Tensor]:
        of_targets = batch.examples_of_targets()
        sums = torch.zeros(len(batch.rows), dtype=torch.float64, device=self.device)
        counts = torch.bincount(of_targets, minlength=len(batch.rows))
        return sums.index_add(0, of_targets, losses.double()), counts

    def _cross_entropy(self, batch: Batch, states: Tensor) -> Tensor:
        targets = batch.is_target[:, 1:]
        with self._casting():
            logits = self._logits(states[:, :-1][targets])
        exact = logits if logits.dtype == torch.float64 else logits.float()
        return functional.cross_entropy(exact, batch.ids[:, 1:][targets], reduction="none")

    def _logits(self, states: Tensor) -> Tensor:
        logits: Tensor = self.plain.get_output_embeddings()(states) if self.is_sparse else states
        return logits

    def _states(self, batch: Batch, cache: Any = None) -> Tensor:
        """[batch, time, width]: last hidden states; logits where head and backbone are not to be had apart.

        Positions that begin anew inside a line, with no mask given, tell transformers to keep the examples apart
        (`transformers.masking_utils.find_packed_sequence_indices`).
        """
        given: dict[str, Any] = {} if batch.positions is None else {"position_ids": batch.positions}
        if cache is not None:
            given["past_key_values"] = cache
        with self._casting():
            out = self._run(input_ids=batch.ids, use_cache=cache is not None, **given)
        states: Tensor = out.last_hidden_state if self.is_sparse else out.logits
        return states

    def _casting(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.autocast, enabled=self.autocast is not None)

    @torch.no_grad()
    def _head_is_plain(self) -> bool:
        """Whether backbone and head alone give the model's logits (some models scale or cap them).

        Looks at logits made large, since a cap hardly shows in those of a fresh model.
        """
        head = self.plain.get_output_embeddings()
        if head is None:
            return False
        ids = torch.arange(4, device=self.device).unsqueeze(0)
        was_training = self.model.training
        self.model.eval()
        enlarged = head.register_forward_hook(lambda _head, _args, out: out * LARGE)
        try:
            hidden = self.plain.base_model(input_ids=ids, use_cache=False).last_hidden_state
            full = self.model(input_ids=ids, use_cache=False).logits
            return bool(torch.allclose(head(hidden), full, atol=1e-4 * LARGE, rtol=1e-4))
        except (AttributeError, TypeError):
            return False
        finally:
            enlarged.remove()
            self.model.train(was_training)
