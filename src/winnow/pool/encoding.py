"""Tokens of a pool's examples, and what becomes of the long ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from winnow.errors import DataError
from winnow.recipe import PoolRecipe
from winnow.text.chat import ChatTemplate, ChatTokens, RowTokens
from winnow.text.data_warnings import NO_ROOM, SPECIAL_TOKEN, TOO_LONG
from winnow.text.examples import ASSISTANT, IS_TARGET, POOL_SCHEMA, TOKEN_FIELDS, Example, Message, to_table
from winnow.text.tokenizers import clip, encode_examples

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokenised:
    """Examples with their tokens, and what the policy on long ones did."""

    examples: list[Example]
    tokens: dict[str, RowTokens]
    """By id."""
    truncated: dict[str, int]
    """Source -> examples whose completion was cut."""
    dropped: dict[str, Counter[str]]
    """Source -> reason -> examples."""


def tokenise(examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", recipe: PoolRecipe) -> Tokenised:
    """The examples with their tokens; long ones are cut, dropped or refused, as `recipe.too_long` says.

    One whose prompt alone fills `max_tokens` is always dropped, or refused. A conversation is laid out by the chat
    template; one that spells out a special token, which would end a turn in its middle, is dropped.
    """
    found = Tokenised([], {}, Counter(), {})
    for example, tokens in zip(examples, _encode(examples, tokenizer, recipe), strict=True):
        if tokens is None:
            found.dropped.setdefault(example.source, Counter())[SPECIAL_TOKEN] += 1
            continue
        if tokens.truncated and recipe.too_long == "error":
            raise DataError(
                f"example {example.id} is longer than pool.max_tokens = {recipe.max_tokens}; "
                "raise it, or set pool.too_long to truncate or drop"
            )
        if not tokens.completion_ids or (tokens.truncated and recipe.too_long == "drop"):
            reason = TOO_LONG if tokens.completion_ids else NO_ROOM
            found.dropped.setdefault(example.source, Counter())[reason] += 1
            continue
        found.truncated[example.source] = found.truncated.get(example.source, 0) + tokens.truncated
        found.examples.append(example)
        found.tokens[example.id] = tokens
    return found


def _encode(
    examples: Sequence[Example], tokenizer: "PreTrainedTokenizerBase", recipe: PoolRecipe
) -> list[RowTokens | None]:
    """The tokens of each example; none where a conversation spells out a special token."""
    plain = [each for each in examples if not each.messages]
    prompts, completions = [each.prompt for each in plain], [each.completion for each in plain]
    encoded: list[RowTokens] = [*encode_examples(tokenizer, prompts, completions, max_tokens=recipe.max_tokens)]
    if len(plain) == len(examples):
        return [*encoded]
    template, rest = ChatTemplate(tokenizer, recipe.chat_template), iter(encoded)
    return [_encode_chat(each, template, recipe.max_tokens) if each.messages else next(rest) for each in examples]


def _encode_chat(example: Example, template: ChatTemplate, max_tokens: int) -> ChatTokens | None:
    if template.spelled_out(example.messages):
        return None
    clipped = clip_chat(example.messages, max_tokens)
    found = template.encode(clipped, name=example.id)
    if clipped != example.messages and len(found.ids) <= max_tokens:
        found = template.encode(example.messages, name=example.id)
    return found.cut(max_tokens)


def clip_chat(messages: tuple[Message, ...], max_tokens: int) -> tuple[Message, ...]:
    """As much of a conversation as could give more tokens than these, up to the end of an answer."""
    first = [(role, clip(text, max_tokens)) for role, text in messages[: 2 * max_tokens + 2]]
    last = max((at for at, (role, _) in enumerate(first) if role == ASSISTANT), default=None)
    return messages if last is None else tuple(first[: last + 1])


def pool_table(examples: Sequence[Example], tokens: Mapping[str, RowTokens]) -> pa.Table:
    """The examples and their tokens as a table of POOL_SCHEMA; with MESSAGES and IS_TARGET for conversations."""
    table, encoded = to_table(examples), [tokens[each.id] for each in examples]
    for name, _ in TOKEN_FIELDS:
        field = POOL_SCHEMA.field(name)
        table = table.append_column(field, pa.array([getattr(each, name) for each in encoded], field.type))
    if any(each.messages for each in examples):
        masks = [each.is_target if isinstance(each, ChatTokens) else None for each in encoded]
        table = table.append_column(IS_TARGET, pa.array(masks, IS_TARGET.type))
    return table
