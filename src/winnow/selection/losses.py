"""Scores from a causal language model's losses: of the example itself, or with its prompt against without it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from winnow.models.forward import Losses
from winnow.models.rows import TokenRows, sft_rows
from winnow.parts import RepresentPart
from winnow.recipe import IfdRecipe, LossRecipe
from winnow.records import Stored
from winnow.selection.proxy import Proxy, Tokens, forward_cost, load_proxy, padded_batches
from winnow.selection.shards import Computed, Extractor, Tell


def loss_extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """The loss of each example's completion given its prompt, or of all its tokens but the first, in nats."""
    recipe = part.representation
    assert isinstance(recipe, LossRecipe)
    proxy = load_proxy(inputs, recipe.batch_size)
    losses = Losses(proxy.model)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        tokens = proxy.tokens(examples)
        rows = target_rows(examples["id"].to_pylist(), tokens, recipe.over)
        sums, counts = row_losses(proxy, losses, rows, tell)
        cost = forward_cost(proxy, rows, head=where_head_runs(losses))
        return Computed(sums / counts if recipe.reduce == "mean" else sums, cost, tokens.truncated)

    return Extractor(proxy.columns, compute)


def ifd_extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Instruction-following difficulty: exp(mean loss with prompt - mean loss without), or the losses' ratio.

    High where the prompt helps little (Li et al. 2024, equation 3). Without the prompt the completion follows the
    model's first token (`bos_token_id`, else `eos_token_id`), so that the same tokens are targets in both passes; a
    model that has neither starts with the completion's own first token, which then is a target in neither.
    """
    recipe = part.representation
    assert isinstance(recipe, IfdRecipe)
    proxy = load_proxy(inputs, recipe.batch_size)
    losses = Losses(proxy.model)
    begin = begin_ids(proxy.model)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        tokens = proxy.tokens(examples)
        names = examples["id"].to_pylist()
        pair = with_and_without_prompt(names, tokens, begin)
        mean, cost = [], []
        for half, rows in enumerate(pair):
            sums, counts = row_losses(proxy, losses, rows, _half(tell, half, len(names)))
            mean.append(sums / counts)
            cost.append(forward_cost(proxy, rows, head=where_head_runs(losses)))
        score = np.exp(mean[0] - mean[1]) if recipe.ratio == "perplexity" else mean[0] / mean[1]
        return Computed(score, cost[0] + cost[1], tokens.truncated)

    return Extractor(proxy.columns, compute)


def target_rows(names: list[str], tokens: Tokens, over: str) -> TokenRows:
    """Rows of prompt and completion, as in training. Raises DataError where an example has no target at all."""
    columns = {"id": names, "prompt_ids": tokens.prompts, "completion_ids": tokens.completions}
    return sft_rows(pa.table(columns), loss_on=over)


def with_and_without_prompt(names: list[str], tokens: Tokens, begin: list[int]) -> tuple[TokenRows, TokenRows]:
    """The same targets after the prompt and after `begin`. Raises DataError where an example has none."""
    completions = tokens.completions
    targets = completions if begin else [completion[1:] for completion in completions]
    bare = [begin or completion[:1] for completion in completions]
    prompts = [
        (prompt or begin) if begin else prompt + completion[:1]
        for prompt, completion in zip(tokens.prompts, completions, strict=True)
    ]
    return (
        target_rows(names, Tokens(prompts, targets), "completion"),
        target_rows(names, Tokens(bare, targets), "completion"),
    )


def begin_ids(model: Any) -> list[int]:
    """The token that begins a text in this model, if it has one."""
    named = [getattr(model.config, name, None) for name in ("bos_token_id", "eos_token_id")]
    return [token for token in named if isinstance(token, int)][:1]


@torch.no_grad()
def row_losses(
    proxy: Proxy, losses: Losses, rows: TokenRows, tell: Tell
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum of the losses and number of targets of each row, [rows] each."""
    sums, counts = np.empty(len(rows.names)), np.empty(len(rows.names), dtype=np.int64)
    for batch in padded_batches(rows, proxy, tell):
        total, targets = losses.of_rows(batch)
        sums[batch.rows], counts[batch.rows] = total.cpu().numpy(), targets.cpu().numpy()
    return sums, counts


def where_head_runs(losses: Losses) -> str:
    """`targets`, or `all` in models whose head cannot be run apart."""
    return "targets" if losses.is_sparse else "all"


def _half(tell: Tell, half: int, examples: int) -> Tell:
    """Progress of the first or second of two passes."""
    return lambda done: tell((half * examples + done) // 2)
