"""Generation in batches: sorted by length, prompts read a few at a time, finished rows dropped as they end.

Prompts stand at the right end of the cache's first columns; what is left of a short one is masked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicCache, DynamicLayer

from winnow.errors import RecipeError
from winnow.models.batch_sizes import cuts, tokens_at_once


@dataclass(frozen=True)
class Generated:
    """What a model wrote to each prompt."""

    completions: list[list[int]]
    """Token ids without the end token, in the order of the prompts."""
    tokens: int
    """Tokens generated, end tokens counted."""


Reader = Callable[[Sequence[int], DynamicCache], Tensor | None]
"""Reads these prompts into the cache (`keep_prompts`); gives back the most likely token after each, [prompts].

None, and nothing read, where it has no use for them.
"""

Choose = Callable[[Tensor, Sequence[int], int], Tensor]
"""The next tokens, [rows], from the logits after each row, [rows, vocabulary]; for these prompts, at this place of
their answers, the first one being 0."""


def most_likely(logits: Tensor, prompts: Sequence[int], place: int) -> Tensor:
    """[rows]: greedy choice."""
    return logits.argmax(dim=-1)


@torch.no_grad()
def generate_greedy(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    eos_id: int,
    batch_size: int,
    is_finished: Callable[[Sequence[int]], bool] | None = None,
    shared_tokens: int = 0,
    reader: Reader | None = None,
    choose: Choose = most_likely,
) -> Generated:
    """The most likely next token, again and again, until the end token or `max_new_tokens`.

    Another `choose` than the greedy one makes it another generation, batches and cache being the same; no `reader` goes
    with it.

    `is_finished` is asked after every token whether an answer ends with it. The first `shared_tokens` of the prompts,
    which have to be the same in all, are read once. A `reader` makes more of the pass over the prompts; it is not asked
    where a prompt is cut or layers are of a special kind. Prompts that leave no room in the model's context lose their
    beginning. The composition of the batches follows from the prompts, `batch_size` and the kind of device alone.
    Raises RecipeError where the answers leave no room for a prompt.
    """
    assert reader is None or choose is most_likely
    room = context_of(model) - max_new_tokens
    if room < 1:
        raise RecipeError(
            f"evaluation.max_new_tokens is {max_new_tokens}; the model takes {context_of(model)} tokens, "
            "prompt and answer together; lower it"
        )
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    completions: list[list[int]] = [[] for _ in prompts]
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    beginning = _read_beginning(model, prompts[0][:shared_tokens]) if shared_tokens else None
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        chosen = [list(prompts[i])[-room:] for i in rows]
        shared = 0 if beginning is None else beginning.get_seq_length()
        ids, mask = _left_padded([prompt[shared:] for prompt in chosen], eos_id, device)
        cache = roomy_cache(model, rows=len(rows), capacity=shared + ids.shape[1] + max_new_tokens)
        is_asked = reader is not None and is_roomy(cache) and len(prompts[rows[-1]]) <= room
        first = reader(rows, cache) if reader is not None and is_asked else None
        if first is None:
            first = _read(model, ids, mask, cache, beginning, rows, choose)
        mask = functional.pad(mask, (shared, 0), value=1)
        written = _go_on(model, cache, first, mask, rows, choose, max_new_tokens, eos_id, is_finished)
        for row, answer in zip(rows, written, strict=True):
            completions[row] = answer
    model.train(was_training)
    tokens = sum(min(len(ids) + 1, max_new_tokens) for ids in completions)
    return Generated(completions, tokens)


def _go_on(
    model: Any,
    cache: DynamicCache,
    chosen: Tensor,
    mask: Tensor,
    rows: Sequence[int],
    choose: Choose,
    max_new_tokens: int,
    eos_id: int,
    is_finished: Callable[[Sequence[int]], bool] | None,
) -> list[list[int]]:
    """What follows the prompts in the cache, the first tokens chosen; `mask` is [rows, columns], 1 at prompts."""
    width = mask.shape[1]
    positions = mask.sum(dim=1, keepdim=True)
    mask = functional.pad(mask, (0, max_new_tokens), value=1)
    written: list[list[int]] = [[] for _ in mask]
    alive = torch.arange(len(mask), device=mask.device)
    for done in range(1, max_new_tokens + 1):
        goes_on = chosen != eos_id
        for row, token in zip(alive[goes_on].tolist(), chosen[goes_on].tolist(), strict=True):
            written[row].append(token)
        if is_finished is not None:
            goes_on &= torch.tensor([not is_finished(written[row]) for row in alive.tolist()], device=mask.device)
        if done == max_new_tokens or not goes_on.any():
            break
        if not goes_on.all():
            kept = closed_up(goes_on)
            cache.batch_select_indices(kept)
            alive, chosen, mask, positions = alive[kept], chosen[kept], mask[kept], positions[kept]
        logits = _next_logits(model, chosen.unsqueeze(1), mask[:, : width + done], positions, cache)
        chosen = choose(logits, [rows[row] for row in alive.tolist()], done)
        positions = positions + 1
    return written


def _read_beginning(model: Any, ids: Sequence[int]) -> DynamicCache | None:
    """The keys and values of what all prompts begin with; none where layers are of a special kind."""
    cache = DynamicCache(config=model.config)
    if not all(type(layer) is DynamicLayer for layer in cache.layers):
        return None
    read = torch.tensor([list(ids)], device=next(model.parameters()).device)
    model(input_ids=read, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def repeated(cache: DynamicCache | None, *, config: Any, rows: int) -> DynamicCache:
    """The cache of one row for so many, keys and values not copied; an empty one where there is none."""
    found = DynamicCache(config=config)
    for number, layer in enumerate(cache.layers if cache is not None else ()):
        if isinstance(layer, DynamicLayer) and layer.keys is not None and layer.values is not None:
            keys, values = (each.expand(rows, -1, -1, -1) for each in (layer.keys, layer.values))
            into = found.layers[number]
            assert isinstance(into, DynamicLayer)
            into.lazy_initialization(keys, values)
            into.keys, into.values = keys, values
    return found


def _read(
    model: Any, ids: Tensor, mask: Tensor, cache: DynamicCache, beginning: DynamicCache | None, rows: Sequence[int],
    choose: Choose,
) -> Tensor:  # fmt: skip
    """Read the prompts into the cache, a few rows at a time; gives back the token that follows each."""
    shared = 0 if beginning is None else beginning.get_seq_length()
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0) + shared
    if not is_roomy(cache):
        return choose(_next_logits(model, ids, mask, positions, cache), rows, 0)
    width, chosen = ids.shape[1], []
    for cut in cuts(mask.sum(dim=1).tolist(), tokens_at_once(ids.device)):
        longest = slice(width - int(mask[cut].sum(dim=1).max()), width)
        part = repeated(beginning, config=model.config, rows=len(ids[cut]))
        seen = torch.cat([mask.new_ones(len(ids[cut]), shared), mask[cut, longest]], dim=1)
        logits = _next_logits(model, ids[cut, longest], seen, positions[cut, longest], part)
        chosen.append(choose(logits, rows[cut], 0))
        for layer, read in _filled_layers(cache, part):
            layer.fill(cut, slice(0, shared), read.keys[:, :, :shared], read.values[:, :, :shared])
            columns = slice(shared + longest.start, shared + width)
            layer.fill(cut, columns, read.keys[:, :, shared:], read.values[:, :, shared:])
    return torch.cat(chosen)


def keep_prompts(cache: DynamicCache, read: DynamicCache, *, rows: Tensor, lengths: Tensor, width: int) -> None:
    """Put the first `lengths` columns of what was read, padded on the right, into rows of a roomy cache.

    There they end at column `width`. What stands left of a short one is no part of it and has to be masked.
    """
    columns = (torch.arange(width, device=lengths.device) - (width - lengths).unsqueeze(1)).clamp(min=0)
    members = torch.arange(len(rows), device=rows.device).unsqueeze(1)
    for layer, found in _filled_layers(cache, read):
        moved = (each[members, :, columns].transpose(1, 2) for each in (found.keys, found.values))
        layer.fill(rows, slice(0, width), *moved)


def _filled_layers(cache: DynamicCache, read: DynamicCache) -> Iterator[tuple["RoomyLayer", Any]]:
    """Layers of a roomy cache, and of one that was filled; one that shares another's keys has none of its own."""
    for layer, found in zip(cache.layers, read.layers, strict=True):
        if isinstance(layer, RoomyLayer) and isinstance(found, DynamicLayer) and found.keys is not None:
            yield layer, found


def _next_logits(model: Any, ids: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
    """[rows, vocabulary]: the logits after each row, what is in the cache standing before it."""
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=1,
    )  # fmt: skip
    logits: Tensor = out.logits[:, -1]
    return logits


def closed_up(goes_on: Tensor) -> Tensor:
    """Which row comes to stand where once the finished ones are gone: the last ones fill the gaps, the others stay."""
    count = int(goes_on.sum())
    rows = torch.arange(count, device=goes_on.device)
    rows[~goes_on[:count]] = goes_on[count:].nonzero()[:, 0] + count
    return rows


class RoomyLayer(DynamicLayer):
    """Keys and values in buffers made once at their final size: a new token, or a row's end, copies next to nothing."""

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__()
        self.rows, self.capacity, self.length = rows, capacity, 0

    def fill(self, rows: slice | Tensor, columns: slice, keys: Tensor, values: Tensor) -> None:
        """Put in what some rows hold, in these columns; the last column is the same for all."""
        if not self.is_initialized:
            shape = (self.rows, keys.shape[1], self.capacity, keys.shape[-1])
            # Zeros, since what stands left of a short prompt is multiplied by an attention of 0.
            self.all_keys, self.all_values = keys.new_zeros(shape), values.new_zeros(shape)
            self.lazy_initialization(keys, values)
        self.all_keys[rows, :, columns], self.all_values[rows, :, columns] = keys, values
        self._grow_to(columns.stop)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append along the time axis; gives back all keys and values so far."""
        columns = slice(self.length, self.length + key_states.shape[-2])
        self.fill(slice(None), columns, key_states, value_states)
        return self.all_keys[..., : self.length, :], self.all_values[..., : self.length, :]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch; only those that come to stand elsewhere are copied."""
        moved = (indices != torch.arange(len(indices), device=indices.device)).nonzero()[:, 0]
        for rows in (self.all_keys, self.all_values):
            rows[moved, :, : self.length] = rows[indices[moved], :, : self.length]
        self.all_keys, self.all_values = self.all_keys[: len(indices)], self.all_values[: len(indices)]
        self._grow_to(self.length)

    def _grow_to(self, length: int) -> None:
        self.length = length
        self.keys, self.values = self.all_keys[..., :length, :], self.all_values[..., :length, :]


def roomy_cache(model: Any, *, rows: int, capacity: int) -> DynamicCache:
    """An empty cache for sequences of up to `capacity` tokens; growing as usual where layers are of a special kind."""
    cache = DynamicCache(config=model.config)
    if all(type(layer) is DynamicLayer for layer in cache.layers):
        cache.layers = [RoomyLayer(rows, capacity) for _ in cache.layers]
    return cache


def is_roomy(cache: DynamicCache) -> bool:
    """Whether every layer sees all that stands before, so that `roomy_cache` made its buffers."""
    return all(isinstance(layer, RoomyLayer) for layer in cache.layers)


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
