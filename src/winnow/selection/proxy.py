"""A proxy model, the tokens it reads, and what its passes cost.

A model that the recipe trains reads the pool's own tokens. Another model has a tokenizer of its own: prompt and
completion are tokenised anew, ended as in the pool, and cut to what the model takes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from winnow.models import loading
from winnow.models.flops import Coefficients, FlopModel, flop_model
from winnow.models.forward import Batch
from winnow.models.generate import check_context, context_of
from winnow.models.rows import TokenRows, pad, rows_of
from winnow.records import Cost, Stored
from winnow.selection.shards import Tell
from winnow.selection.views import IntArray
from winnow.text.tokenizers import encode_examples, tokenizer_of


@dataclass(frozen=True)
class Tokens:
    """Token ids of some examples."""

    prompts: list[list[int]]
    completions: list[list[int]]
    truncated: int = 0
    """Examples that were cut to the model's context."""


@dataclass(frozen=True)
class Proxy:
    """A causal language model in evaluation mode, and how it reads examples."""

    model: Any
    batch_size: int
    tokenizer: Any = None
    """The model's own; null where the pool's tokens are its tokens."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the pool's file."""
        return ("prompt_ids", "completion_ids") if self.tokenizer is None else ("prompt", "completion")

    @cached_property
    def flops(self) -> FlopModel:
        """What the model's passes cost."""
        return flop_model(self.model)

    def tokens(self, examples: pa.Table) -> Tokens:
        """The examples as the model reads them. Raises RecipeError where the pool's own are longer than it takes."""
        first, second = (examples[name].to_pylist() for name in self.columns)
        if self.tokenizer is None:
            check_context(self.model, max(len(p) + len(c) for p, c in zip(first, second, strict=True)))
            return Tokens(first, second)
        room = context_of(self.model)
        encoded = encode_examples(self.tokenizer, first, second, max_tokens=room)
        return Tokens(
            [each.prompt_ids[:room] for each in encoded],
            [each.completion_ids for each in encoded],
            sum(each.truncated for each in encoded),
        )


def load_proxy(inputs: Mapping[str, Stored], batch_size: int) -> Proxy:
    """The proxy of a stage's inputs: `model`, and `tokenizer` where the pool's tokens are not its own."""
    tokenizer = tokenizer_of(inputs["tokenizer"]) if "tokenizer" in inputs else None
    return Proxy(loading.load_model(inputs["model"]), batch_size, tokenizer)


def joined_rows(names: list[str], tokens: Tokens) -> TokenRows:
    """Prompt and completion of each example as one row; the completion is the target, wherever it begins."""
    both = zip(tokens.prompts, tokens.completions, strict=True)
    starts = [max(1, len(prompt)) for prompt in tokens.prompts]
    return rows_of(names, [np.array(p + c, dtype=np.int32) for p, c in both], np.array(starts, dtype=np.int64))


def fixed_batches(lengths: IntArray, batch_size: int) -> list[IntArray]:
    """Rows cut into batches by (length, row), so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def padded_batches(rows: TokenRows, proxy: Proxy, tell: Tell) -> Iterator[Batch]:
    """All rows in fixed batches on the model's device; `Batch.rows` says which rows they are."""
    device = next(proxy.model.parameters()).device
    done = 0
    for members in fixed_batches(rows.lengths, proxy.batch_size):
        yield pad(rows, members).to(device)
        done += len(members)
        tell(done)


def forward_cost(proxy: Proxy, rows: TokenRows, *, head: str) -> Cost:
    """The cost of one forward pass over the rows, seconds left out; `head` as in `pass_cost`."""
    flops = proxy.flops
    return pass_cost(flops.forward, flops.six_n(1.0) / 3, rows, proxy.batch_size, head=head)  # of six, two are forward


def pass_cost(costs: Coefficients, flops_6n: float, rows: TokenRows, batch_size: int, *, head: str) -> Cost:
    """The cost of a pass, seconds left out.

    `flops_6n` is the papers' figure for one token. `head` says where the head ran: at `none` of the positions, at the
    `targets`, or at `all`, padding too.
    """
    lengths = rows.lengths
    targets = lengths - np.minimum(np.maximum(rows.target_from, 1), lengths)
    shapes = [(each, int(lengths[each].max())) for each in fixed_batches(lengths, batch_size)]
    heads = {
        "none": lambda members, width: 0,
        "targets": lambda members, width: int(targets[members].sum()),
        "all": lambda members, width: len(members) * width,
    }[head]
    tokens = int(lengths.sum())
    return Cost(
        flops=float(costs(lengths).sum()),
        executed_flops=sum(
            costs.executed(rows=len(members), padded_length=width, heads=heads(members, width))
            for members, width in shapes
        ),
        flops_6n=flops_6n * tokens,
        tokens=tokens,
        padded_tokens=sum(len(members) * width for members, width in shapes),
    )
