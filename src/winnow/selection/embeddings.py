"""One vector per example: its text's embedding by a transformers encoder, scaled to length 1."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional

from winnow.errors import DataError
from winnow.models import loading
from winnow.models.generate import context_of
from winnow.models.rows import TokenRows, rows_of
from winnow.parts import RepresentPart
from winnow.recipe import EmbeddingsRecipe
from winnow.records import Stored
from winnow.selection.hidden_states import pool_states
from winnow.selection.proxy import Proxy, forward_cost, padded_batches
from winnow.selection.shards import Computed, Extractor, Tell, silent
from winnow.selection.views import FloatArray
from winnow.text.tokenizers import tokenizer_of


def extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Embeddings of prompt, completion or both, as the encoder's own tokenizer reads them."""
    recipe = part.representation
    assert isinstance(recipe, EmbeddingsRecipe)
    proxy = Proxy(loading.load_encoder(inputs["model"]), recipe.batch_size, tokenizer_of(inputs["tokenizer"]))
    columns = proxy.columns if recipe.of == "all" else (recipe.of,)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        texts = ["".join(parts) for parts in zip(*(examples[name].to_pylist() for name in columns), strict=True)]
        rows, truncated = text_rows(proxy, examples["id"].to_pylist(), texts, recipe.max_tokens)
        cost = forward_cost(proxy, rows, head="none")
        return Computed(unit_embeddings(proxy, rows, recipe.pooling, tell), cost, truncated)

    return Extractor(columns, compute)


def text_rows(proxy: Proxy, names: list[str], texts: list[str], max_tokens: int) -> tuple[TokenRows, int]:
    """The texts' tokens with those that the tokenizer puts around them, and how many texts were cut to fit.

    Raises DataError for a text without tokens.
    """
    tokenizer = proxy.tokenizer
    room = min(max_tokens, tokenizer.model_max_length, context_of(proxy.model))
    ids = tokenizer(texts, truncation=True, max_length=room, verbose=False)["input_ids"]
    full = [text for text, row in zip(texts, ids, strict=True) if len(row) >= room]
    cut = sum(len(row) > room for row in tokenizer(full, verbose=False)["input_ids"]) if full else 0
    empty = [name for name, row in zip(names, ids, strict=True) if not row]
    if empty:
        raise DataError(f"{len(empty)} examples have no text to embed, such as {empty[0]}; drop them from the pool")
    return rows_of(names, [np.array(row, dtype=np.int32) for row in ids], np.zeros(len(ids), dtype=np.int64)), cut


@torch.no_grad()
def unit_embeddings(proxy: Proxy, rows: TokenRows, pooling: str, tell: Tell = silent) -> FloatArray:
    """Mean state of each row's real tokens, or its first token's, scaled to length 1: [rows, hidden], float32."""
    found: dict[int, Any] = {}
    for batch in padded_batches(rows, proxy, tell):
        lengths = torch.from_numpy(rows.lengths[batch.rows]).to(batch.ids.device)
        is_real = torch.arange(batch.ids.shape[1], device=batch.ids.device) < lengths.unsqueeze(1)
        hidden = proxy.model(input_ids=batch.ids, attention_mask=is_real.long()).last_hidden_state
        unit = functional.normalize(pool_states(hidden, lengths, pooling).float(), dim=1)
        found |= dict(zip(batch.rows, unit.cpu().numpy(), strict=True))
    return np.stack([found[row] for row in range(len(rows.names))])
