"""Evaluation sets as a model sees them: token rows, prompts, answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from winnow.models.rows import TokenRows, rows_of, sft_rows
from winnow.text.chat import ChatTemplate
from winnow.text.examples import MESSAGES, open_flags, turns_of
from winnow.text.tokenizers import encode_examples


@dataclass(frozen=True)
class EvaluationSet:
    """The items of one set, in the order of their ids."""

    name: str
    rows: TokenRows
    """Prompt and reference completion, the completion being the target."""
    prompts: list[list[int]]
    answers: list[str]
    num_options: list[int]
    """Options of each item; 0 where it is not multiple choice."""
    stop_id: int | None = None
    """The token that ends an answer, where the items are conversations; else null."""
    is_open: tuple[bool, ...] = ()
    """Which items have open answers, of which no exact match is asked; empty where none has."""
    texts: tuple[str, ...] = ()
    """The prompts as text."""
    target_bytes: tuple[int, ...] = ()
    """Of the text of each item's targets, 0 where a completion is cut; empty for conversations."""

    @property
    def final(self) -> list[int]:
        """Places of the items with final answers."""
        return [place for place in range(len(self.answers)) if not self.is_open or not self.is_open[place]]

    @property
    def num_open(self) -> int:
        """How many items have open answers."""
        return sum(self.is_open)

    def sample(self, size: int) -> "EvaluationSet":
        """The first items by id, which are hashes of the content: a fixed random sample."""
        return self.take(range(min(size, len(self.answers))))

    def take(self, kept: Sequence[int]) -> "EvaluationSet":
        """These items, in this order."""
        return EvaluationSet(
            self.name, self.rows.take(list(kept)), [self.prompts[i] for i in kept],
            [self.answers[i] for i in kept], [self.num_options[i] for i in kept], self.stop_id,
            tuple(self.is_open[i] for i in kept) if self.is_open else (),
            tuple(self.texts[i] for i in kept) if self.texts else (),
            tuple(self.target_bytes[i] for i in kept) if self.target_bytes else (),
        )  # fmt: skip


def tokenised_sets(
    tests: pa.Table, tokenizer: Any, *, max_tokens: int, template: str | None = None
) -> list[EvaluationSet]:
    """The evaluation sets in a table of examples, tokenised; items longer than `max_tokens` lose the end.

    Conversations are laid out by the chat template, the tokenizer's own where none is given: their last answer is what
    a model shall say to all that stands before it.
    """
    names = tests["source"].to_pylist()
    sets = {name: tests.filter(pa.array([n == name for n in names])).sort_by("id") for name in dict.fromkeys(names)}
    return [
        _chats(name, items, ChatTemplate(tokenizer, template), max_tokens)
        if is_chat(items)
        else _tokenised(name, items, tokenizer, max_tokens)
        for name, items in sets.items()
    ]


def validation_rows(validation: pa.Table) -> TokenRows:
    """The validation split of a pool; its completions are the target."""
    return sft_rows(validation, loss_on="completion")


def _tokenised(name: str, items: pa.Table, tokenizer: Any, max_tokens: int) -> EvaluationSet:
    texts = items["prompt"].to_pylist(), items["completion"].to_pylist()
    encoded = encode_examples(tokenizer, *texts, max_tokens=max_tokens)
    rows = [[*each.prompt_ids, *each.completion_ids] for each in encoded]
    made = _set(name, items, rows, [each.prompt_ids for each in encoded], max_tokens)
    sizes = (0 if each.truncated else len(text.encode()) for each, text in zip(encoded, texts[1], strict=True))
    return replace(made, target_bytes=tuple(sizes))


def is_chat(items: pa.Table) -> bool:
    """Whether the items of a set are conversations."""
    return MESSAGES.name in items.column_names and items[MESSAGES.name].null_count < len(items)


def _chats(name: str, items: pa.Table, template: ChatTemplate, max_tokens: int) -> EvaluationSet:
    both = zip(items["id"].to_pylist(), items[MESSAGES.name].to_pylist(), strict=True)
    encoded = [template.encode(turns_of(messages), name=item) for item, messages in both]
    made = _set(name, items, [e.ids for e in encoded], [e.ids[: e.answer_from] for e in encoded], max_tokens)
    return replace(made, stop_id=encoded[0].ids[-1])


def _set(name: str, items: pa.Table, rows: list[list[int]], prompts: list[list[int]], max_tokens: int) -> EvaluationSet:
    """The set of these rows, each beginning with its prompt."""
    ids = [np.array(row[:max_tokens], dtype=np.int32) for row in rows]
    starts = [max(1, min(len(prompt), max_tokens)) for prompt in prompts]
    return EvaluationSet(
        name, rows_of(items["id"].to_pylist(), ids, np.array(starts, dtype=np.int64)), prompts,
        items["answer"].to_pylist(), _counts(items["options"].to_pylist()), is_open=tuple(open_flags(items)),
        texts=tuple(items["prompt"].to_pylist()),
    )  # fmt: skip


def _counts(options: Iterable[list[str] | None]) -> list[int]:
    return [len(given or ()) for given in options]
