"""Tokens of a pool's examples, and what becomes of the long ones."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from winnow.errors import DataError
from winnow.recipe import PoolRecipe
from winnow.text.examples import POOL_SCHEMA, Example, to_table
from winnow.text.tokenizers import Encoded, encode_examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokenised:
    """Examples with their tokens, and what the policy on long ones did."""

    examples: list[Example]
    tokens: dict[str, Encoded]
    """By id."""
    truncated: dict[str, int]
    """Source -> examples whose completion was cut."""
    dropped: dict[str, Counter[str]]
    """Source -> reason -> examples."""


def tokenise(examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", recipe: PoolRecipe) -> Tokenised:
    """The examples with their tokens; long ones are cut, dropped or refused, as `recipe.too_long` says.

    One whose prompt alone fills `max_tokens` is always dropped, or refused.
    """
    prompts, completions = [each.prompt for each in examples], [each.completion for each in examples]
    encoded = encode_examples(tokenizer, prompts, completions, max_tokens=recipe.max_tokens)
    found = Tokenised([], {}, Counter(), {})
    for example, tokens in zip(examples, encoded, strict=True):
        if tokens.truncated and recipe.too_long == "error":
            raise DataError(
                f"example {example.id} is longer than pool.max_tokens = {recipe.max_tokens}; "
                "raise it, or set pool.too_long to truncate or drop"
            )
        if not tokens.completion_ids or (tokens.truncated and recipe.too_long == "drop"):
            reason = "too many tokens" if tokens.completion_ids else "a prompt that fills max_tokens"
            found.dropped.setdefault(example.source, Counter())[reason] += 1
            continue
        found.truncated[example.source] = found.truncated.get(example.source, 0) + tokens.truncated
        found.examples.append(example)
        found.tokens[example.id] = tokens
    return found


def pool_table(examples: Sequence[Example], tokens: dict[str, Encoded]) -> pa.Table:
    """The examples and their tokens as a table of POOL_SCHEMA."""
    table = to_table(examples)
    prompt_ids = pa.array([tokens[each.id].prompt_ids for each in examples], POOL_SCHEMA.field("prompt_ids").type)
    completion_ids = pa.array([tokens[each.id].completion_ids for each in examples], prompt_ids.type)
    return pa.table([*table.columns, prompt_ids, completion_ids], schema=POOL_SCHEMA)
