"""Evaluation sets as a model sees them: token rows, prompts, answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from winnow.models.rows import TokenRows, rows_of, sft_rows
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

    def sample(self, size: int) -> "EvaluationSet":
        """The first items by id, which are hashes of the content: a fixed random sample."""
        kept = range(min(size, len(self.answers)))
        return EvaluationSet(
            self.name, self.rows.take(list(kept)), [self.prompts[i] for i in kept],
            [self.answers[i] for i in kept], [self.num_options[i] for i in kept],
        )  # fmt: skip


def tokenised_sets(tests: pa.Table, tokenizer: Any, *, max_tokens: int) -> list[EvaluationSet]:
    """The evaluation sets in a table of examples, tokenised; items longer than `max_tokens` lose the end."""
    names = tests["source"].to_pylist()
    return [
        _tokenised(name, tests.filter(pa.array([n == name for n in names])).sort_by("id"), tokenizer, max_tokens)
        for name in dict.fromkeys(names)
    ]


def validation_rows(validation: pa.Table) -> TokenRows:
    """The validation split of a pool; its completions are the target."""
    return sft_rows(validation, loss_on="completion")


def _tokenised(name: str, items: pa.Table, tokenizer: Any, max_tokens: int) -> EvaluationSet:
    texts = items["prompt"].to_pylist(), items["completion"].to_pylist()
    encoded = encode_examples(tokenizer, *texts, max_tokens=max_tokens)
    prompts = [example.prompt_ids for example in encoded]
    rows = [np.array([*e.prompt_ids, *e.completion_ids][:max_tokens], dtype=np.int32) for e in encoded]
    starts = [max(1, min(len(prompt), max_tokens)) for prompt in prompts]
    return EvaluationSet(
        name, rows_of(items["id"].to_pylist(), rows, np.array(starts, dtype=np.int64)), prompts,
        items["answer"].to_pylist(), _counts(items["options"].to_pylist()),
    )  # fmt: skip


def _counts(options: Iterable[list[str] | None]) -> list[int]:
    return [len(given or ()) for given in options]
