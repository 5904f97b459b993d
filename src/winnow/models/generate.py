"""Greedy generation in batches: sorted by length, finished rows dropped as they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from winnow.errors import RecipeError


@dataclass(frozen=True)
class Generated:
    """What a model wrote to each prompt."""

    completions: list[list[int]]
    """Token ids without the end token, in the order of the prompts."""
    tokens: int
    """Tokens generated, end tokens counted."""


@torch.no_grad()
def generate_greedy(
    model: Any, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, eos_id: int, batch_size: int
) -> Generated:
    """The most likely next token, again and again, until the end token or `max_new_tokens`.

    Prompts that leave no room in the model's context lose their beginning. The composition of the batches follows
    from the prompts and `batch_size` alone. Raises RecipeError where the answers leave no room for a prompt.
    """
    room = context_of(model) - max_new_tokens
    if room < 1:
        raise RecipeError(
            f"evaluation.max_new_tokens is {max_new_tokens}; the model takes {context_of(model)} tokens, "
            "prompt and answer together; lower it"
        )
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    completions: list[list[int]] = [[] for _ in prompts]
    was_training = model.training
    model.eval()
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        written = _generate_batch(model, [list(prompts[i])[-room:] for i in rows], max_new_tokens, eos_id)
        for row, ids in zip(rows, written, strict=True):
            completions[row] = ids
    model.train(was_training)
    tokens = sum(min(len(ids) + 1, max_new_tokens) for ids in completions)
    return Generated(completions, tokens)


def _generate_batch(model: Any, prompts: list[list[int]], max_new_tokens: int, eos_id: int) -> list[list[int]]:
    device = next(model.parameters()).device
    ids, mask = _left_padded(prompts, eos_id, device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in prompts]
    alive = torch.arange(len(prompts), device=device)
    cache = roomy_cache(model, ids.shape[1] + max_new_tokens)
    for _ in range(max_new_tokens):
        out = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        cache, chosen = out.past_key_values, out.logits[:, -1].argmax(dim=-1)
        goes_on = chosen != eos_id
        for row, token in zip(alive[goes_on].tolist(), chosen[goes_on].tolist(), strict=True):
            written[row].append(token)
        if not goes_on.any():
            break
        if not goes_on.all():
            kept = goes_on.nonzero()[:, 0]
            cache.batch_select_indices(kept)
            alive, chosen, mask, positions = alive[kept], chosen[kept], mask[kept], positions[kept]
        ids = chosen.unsqueeze(1)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions[:, -1:] + 1
    return written


class _RoomyLayer(DynamicLayer):
    """Keys and values in buffers made once at their final length, so that a new token copies nothing but itself."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity, self.length = capacity, 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append along the time axis; gives back all keys and values so far."""
        if not self.is_initialized:
            shape = (*key_states.shape[:-2], self.capacity)
            self.all_keys = key_states.new_empty(*shape, key_states.shape[-1])
            self.all_values = value_states.new_empty(*shape, value_states.shape[-1])
            self.lazy_initialization(key_states, value_states)
        before, self.length = self.length, self.length + key_states.shape[-2]
        self.all_keys[..., before : self.length, :] = key_states
        self.all_values[..., before : self.length, :] = value_states
        self.keys, self.values = self.all_keys[..., : self.length, :], self.all_values[..., : self.length, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch."""
        self.all_keys, self.all_values = self.all_keys[indices], self.all_values[indices]
        self.keys, self.values = self.all_keys[..., : self.length, :], self.all_values[..., : self.length, :]


def roomy_cache(model: Any, capacity: int) -> DynamicCache:
    """An empty cache for sequences of up to `capacity` tokens; growing as usual where layers are of a special kind."""
    cache = DynamicCache(config=model.config)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        cache.layers = [_RoomyLayer(capacity) for _ in cache.layers]
    return cache


def _left_padded(prompts: list[list[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad_id] * (width - len(p)) + p for p in prompts], dtype=torch.long, device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], dtype=torch.long, device=device)
    return ids, mask


def context_of(model: Any) -> int:
    """Longest sequence that the model takes."""
    config = model.config
    named = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
    return next((int(size) for size in named if size), 1 << 30)


def check_context(model: Any, longest: int) -> None:
    """Raises RecipeError where an example is longer than the model takes."""
    if longest > context_of(model):
        raise RecipeError(
            f"the longest example has {longest} tokens, the model takes {context_of(model)}; lower pool.max_tokens"
        )
