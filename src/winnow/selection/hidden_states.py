"""One vector per example: a causal language model's hidden states, pooled over the example's tokens.

The last bits of a state depend on what else is in its batch, and a greedy selector amplifies them; so batches have a
fixed composition, which the recipe's `batch_size` and the rows of a shard decide and nothing else.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from winnow.errors import DataError, RecipeError
from winnow.models.rows import TokenRows
from winnow.parts import RepresentPart
from winnow.recipe import HiddenStatesRecipe
from winnow.records import Stored
from winnow.selection.proxy import Proxy, forward_cost, joined_rows, load_proxy, padded_batches
from winnow.selection.shards import Computed, Extractor, Tell, silent
from winnow.selection.views import FloatArray


def extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Pooled states of the proxy model. Raises RecipeError for a layer that is not there."""
    recipe = part.representation
    assert isinstance(recipe, HiddenStatesRecipe)
    proxy = load_proxy(inputs, recipe.batch_size)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        tokens = proxy.tokens(examples)
        rows = joined_rows(examples["id"].to_pylist(), tokens)
        cost = forward_cost(proxy, rows, head="none")
        return Computed(pooled_hidden_states(proxy, rows, recipe, tell), cost, tokens.truncated)

    return Extractor(proxy.columns, compute)


def pooled_hidden_states(proxy: Proxy, rows: TokenRows, recipe: HiddenStatesRecipe, tell: Tell = silent) -> FloatArray:
    """The pooled states of each row, [rows, hidden], float32; the model's head is not run.

    Raises DataError for an empty row, RecipeError for a layer that is not there.
    """
    lengths = rows.lengths
    if not lengths.all():
        raise DataError(
            f"{(lengths == 0).sum()} examples have no tokens (first: {rows.names[lengths.argmin()]}); drop them"
        )
    states: FloatArray | None = None
    for batch in padded_batches(rows, proxy, tell):
        real = torch.from_numpy(lengths[batch.rows]).to(batch.ids.device)
        pooled = pool_states(_hidden(proxy.model, batch.ids, recipe.layer), real, recipe.pooling).float().cpu().numpy()
        if states is None:
            states = np.empty((len(lengths), pooled.shape[1]), dtype=np.float32)
        states[batch.rows] = pooled
    if states is None:
        raise DataError("there are no examples to represent; the pool is empty")
    return states


@torch.no_grad()
def _hidden(model: Any, ids: Tensor, layer: int) -> Tensor:
    """The states of one layer, [batch, time, hidden]; layer -1 is the last, after its norm.

    Rows are padded on the right, so with causal attention no mask is needed.
    """
    is_last = layer == -1
    output = model.base_model(input_ids=ids, use_cache=False, output_hidden_states=not is_last)
    if is_last:
        return output.last_hidden_state
    layers = output.hidden_states
    if not -len(layers) <= layer < len(layers):
        raise RecipeError(f"representation.layer is {layer}; this model has layers {-len(layers)} to {len(layers) - 1}")
    return layers[layer]


def pool_states(hidden: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """Each row's mean state over its real tokens, [batch, hidden]; `lengths` is [batch].

    `weighted_mean` weighs token t, counted from 1, by t (Muennighoff 2022), since later states have seen more.
    `first` and `last` take one token's state.
    """
    position = torch.arange(1, hidden.shape[1] + 1, device=hidden.device).expand(hidden.shape[:2])
    is_real = position <= lengths.unsqueeze(1)
    weights = {
        "weighted_mean": position * is_real,
        "mean": is_real,
        "first": position == 1,
        "last": position == lengths.unsqueeze(1),
    }[pooling].to(hidden.dtype)
    shares = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("bt,btd->bd", shares, hidden)
