"""One vector per example: a causal language model's hidden states, pooled over the example's tokens.

The last bits of a state depend on what else is in its batch, and a greedy selector amplifies them; so batches have a
fixed composition, which the recipe's `batch_size` and the rows decide and nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from winnow.errors import DataError, RecipeError
from winnow.recipe import HiddenStatesRecipe
from winnow.selection.views import FloatArray, IntArray

OnBatch = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Nothing."""


def pooled_hidden_states(
    model: Any, rows: Sequence[Sequence[int]], recipe: HiddenStatesRecipe, on_batch: OnBatch = silent
) -> FloatArray:
    """The pooled states of `rows` (token ids, sorted by example id), [rows, hidden], float32.

    The model is a transformers causal language model in evaluation mode; its head is not run. `on_batch` hears how
    many of how many rows are done. Raises DataError for an empty row, RecipeError for a layer that is not there.
    """
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    if not lengths.all():
        raise DataError(f"{(lengths == 0).sum()} examples have no tokens (first: row {lengths.argmin()}); drop them")
    device = next(model.parameters()).device
    states: FloatArray | None = None
    done = 0
    for batch in fixed_batches(lengths, recipe.batch_size):
        ids, mask = _padded([rows[row] for row in batch], device)
        pooled = _pooled(_hidden(model, ids, mask, recipe.layer), mask, recipe.pooling).float().cpu().numpy()
        if states is None:
            states = np.empty((len(rows), pooled.shape[1]), dtype=np.float32)
        states[batch] = pooled
        done += len(batch)
        on_batch(done, len(rows))
    if states is None:
        raise DataError("there are no examples to represent; the pool is empty")
    return states


def fixed_batches(lengths: IntArray, batch_size: int) -> list[IntArray]:
    """Rows cut into batches by (length, row), so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def padded_lengths(lengths: IntArray, batch_size: int) -> list[tuple[int, int]]:
    """(rows, padded length) of each batch."""
    return [(len(batch), int(lengths[batch].max())) for batch in fixed_batches(lengths, batch_size)]


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask of real tokens, [batch, time], padded on the right."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.long)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], dtype=torch.long)
    return ids.to(device), mask.to(device)


@torch.no_grad()
def _hidden(model: Any, ids: Tensor, mask: Tensor, layer: int) -> Tensor:
    """The states of one layer, [batch, time, hidden]; layer -1 is the last, after its norm."""
    is_last = layer == -1
    output = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=not is_last)
    if is_last:
        return output.last_hidden_state
    layers = output.hidden_states
    if not -len(layers) <= layer < len(layers):
        raise RecipeError(f"representation.layer is {layer}; this model has layers {-len(layers)} to {len(layers) - 1}")
    return layers[layer]


def _pooled(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Each row's mean state over its real tokens, [batch, hidden].

    `weighted_mean` weighs token t, counted from 1, by t (Muennighoff 2022), since later states have seen more.
    """
    position = mask.cumsum(dim=1) * mask
    if pooling == "last":
        weights = (position == mask.sum(dim=1, keepdim=True)).to(hidden.dtype) * mask
    else:
        weights = (position if pooling == "weighted_mean" else mask).to(hidden.dtype)
    shares = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("bt,btd->bd", shares, hidden)
