"""What a plan has to know of the data: the lengths of the pool's rows, of its validation split and of evaluation items.

    pool = pool_of(walk.done)

Evaluation sets are not tokenised before they are evaluated; their tokens are told from their letters, at the pool's
tokens per letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.columns import read_columns
from winnow.mixing.sources import SourceTokens
from winnow.mixing.stage import source_tokens
from winnow.recipe import Recipe
from winnow.records import Stored
from winnow.text.examples import IS_OPEN

Lengths = NDArray[np.int64]
TEXTS = ["prompt", "completion"]


@dataclass(frozen=True)
class PlannedSet:
    """An evaluation set, by the tokens of its items in the order of their ids."""

    name: str
    prompts: Lengths
    completions: Lengths
    is_open: NDArray[np.bool_]
    """Items whose answers are open text."""


@dataclass(frozen=True)
class PlannedPool:
    """The rows that would be trained on and looked at, as far as a plan has to know them."""

    lengths: Lengths
    is_declared: bool
    """Then nothing is known of validation split and evaluation sets."""
    warnings: tuple[str, ...] = ()
    """What the pool lost, and the like."""
    targets_share: float = 1.0
    """Completion tokens over all tokens; of declared pools nothing is known."""
    validation: Lengths = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sets: tuple[PlannedSet, ...] = ()
    tokens_per_letter: float = 0.25
    sources: tuple[SourceTokens, ...] = ()
    """What each source holds for training."""
    source_of_row: NDArray[np.int16] | None = None
    """[rows]: number of the source of each; None of plain text, whose rows a run makes as it needs them."""

    def mean_over_visits(self, values: NDArray[np.float64], shares: Mapping[str, float] | None) -> float:
        """The mean of values [rows] over the visits of a run that has these shares of tokens; None for all rows alike.

        Rows of a source are visited alike, so often that their tokens are its share.
        """
        if shares is None or self.source_of_row is None:
            return float(values.mean())
        tokens = np.bincount(self.source_of_row, weights=self.lengths, minlength=len(self.sources))
        share = np.array([shares[source.name] for source in self.sources])
        visits = np.divide(share, tokens, out=np.zeros_like(share), where=tokens > 0)[self.source_of_row]
        return float(np.average(values, weights=visits))


def text_pool_of(recipe: Recipe, done: Mapping[str, Stored], warnings: tuple[str, ...] = ()) -> PlannedPool:
    """The rows that plain text fills once, and its sources; what evaluation reads of it is not sized."""
    assert recipe.row_tokens is not None
    rows = text_rows(done["pool"].numbers["tokens"], recipe.row_tokens)
    sources = tuple(source_tokens(each.name, done[f"tokens.{each.name}"]) for each in recipe.pool.sources)
    return PlannedPool(rows, False, warnings, sources=sources)


def text_rows(tokens: int, row_tokens: int) -> Lengths:
    """The lengths of the rows that so many tokens of plain text fill once."""
    return np.full(max(1, tokens // row_tokens), row_tokens, dtype=np.int64)


def pool_of(done: Mapping[str, Stored], warnings: tuple[str, ...] = ()) -> PlannedPool:
    """The lengths in a pool and in the evaluation sets, both made."""
    table = read_columns(done["pool"].folder / "train.parquet", [*TEXTS, "prompt_ids", "completion_ids", "source"])
    prompts, completions = (_sizes(table[name]) for name in ("prompt_ids", "completion_ids"))
    per_letter = [
        float(tokens.sum()) / max(1, int(_letters(table[name]).sum()))
        for name, tokens in zip(TEXTS, (prompts, completions), strict=True)
    ]
    held = read_columns(done["pool"].folder / "validation.parquet", ["prompt_ids", "completion_ids"])
    names = list(dict.fromkeys(table["source"].to_pylist()))
    source_of_row = np.array([names.index(name) for name in table["source"].to_pylist()], dtype=np.int16)
    return PlannedPool(
        prompts + completions, False, warnings, completions.sum() / (prompts + completions).sum(),
        sources=_sources(names, source_of_row, prompts + completions), source_of_row=source_of_row,
        validation=_sizes(held["prompt_ids"]) + _sizes(held["completion_ids"]),
        sets=_sets(done["tests"].folder / "tests.parquet", *per_letter), tokens_per_letter=per_letter[0],
    )  # fmt: skip


def _sources(names: Sequence[str], source_of_row: NDArray[np.int16], lengths: Lengths) -> tuple[SourceTokens, ...]:
    """What each source of examples holds; how many bytes that is nobody counts."""
    own = [lengths[source_of_row == number] for number in range(len(names))]
    return tuple(SourceTokens(name, int(each.sum()), len(each), 0) for name, each in zip(names, own, strict=True))


def _sets(path: Path, per_prompt_letter: float, per_completion_letter: float) -> tuple[PlannedSet, ...]:
    with_open = IS_OPEN.name in pq.read_schema(path).names
    table = read_columns(path, ["source", "id", *TEXTS, *([IS_OPEN.name] if with_open else [])]).sort_by("id")
    names = np.array(table["source"].to_pylist())
    prompts, completions = (
        np.maximum(1, np.round(_letters(table[name]) * ratio)).astype(np.int64)
        for name, ratio in zip(TEXTS, (per_prompt_letter, per_completion_letter), strict=True)
    )
    flags = table[IS_OPEN.name].to_pylist() if with_open else []
    is_open = np.array([bool(each) for each in flags] or np.zeros(len(names)), dtype=bool)
    return tuple(
        PlannedSet(name, *(each[names == name] for each in (prompts, completions, is_open)))
        for name in dict.fromkeys(names.tolist())
    )


def _sizes(lists: pa.ChunkedArray) -> Lengths:
    """How many values each list has."""
    return np.array(pc.list_value_length(lists).to_pylist(), dtype=np.int64)


def _letters(texts: pa.ChunkedArray) -> Lengths:
    return np.array(pc.utf8_length(texts).to_pylist(), dtype=np.int64)
