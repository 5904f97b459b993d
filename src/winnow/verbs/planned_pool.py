"""The pool of a plan: its rows' lengths, from the data or from what the recipe declares."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from winnow.columns import read_columns
from winnow.errors import RecipeError
from winnow.mixing.sources import SourceTokens
from winnow.mixing.stage import source_tokens
from winnow.pipeline import look_over, selector_traits, store_beside
from winnow.recipe import Recipe
from winnow.store import Store
from winnow.study.graph import Graph, expand
from winnow.walk import Watch, missing, walk_stages, wanted


@dataclass(frozen=True)
class PlannedPool:
    """The rows that would be trained on, as far as a plan has to know them."""

    lengths: NDArray[np.int64]
    is_declared: bool
    warnings: tuple[str, ...] = ()
    """What the pool lost, and the like."""
    targets_share: float = 1.0
    """Completion tokens over all tokens; of declared pools nothing is known."""
    sources: tuple[SourceTokens, ...] = ()
    """What each source of plain text holds for training; none where it trains on examples."""


def is_declared(recipe: Recipe) -> bool:
    """Whether the recipe tells the size of the pool itself, so that no data are read."""
    return all(source.examples is not None and source.tokens is not None for source in recipe.pool.sources)


def read_pool(recipe: Recipe, out: str | Path | None, store: str | Path | None) -> PlannedPool:
    """The pool, read and tokenised into the store, or as large as the recipe declares it."""
    if is_declared(recipe):
        sizes = [(source.examples or 0, source.tokens or 0) for source in recipe.pool.sources]
        if recipe.row_tokens is not None:
            held = [SourceTokens(each.name, each.tokens or 0, each.examples or 0, 0) for each in recipe.pool.sources]
            return PlannedPool(_rows(sum(tokens for _, tokens in sizes), recipe.row_tokens), True, sources=tuple(held))
        return PlannedPool(np.concatenate([_declared_lengths(*each) for each in sizes]), True)
    graph, shelf = expand(recipe, selector_traits()), store_beside(recipe, out, store)
    _check_generated(recipe, graph, shelf)
    walk = walk_stages(graph, recipe, shelf, wanted(graph, until=("pool", "text_pool", "tests")), Watch())
    if recipe.row_tokens is not None:
        rows = _rows(walk.done["pool"].numbers["tokens"], recipe.row_tokens)
        sources = [source_tokens(each.name, walk.done[f"tokens.{each.name}"]) for each in recipe.pool.sources]
        return PlannedPool(rows, False, look_over(recipe, walk.done), sources=tuple(sources))
    table = read_columns(walk.done["pool"].folder / "train.parquet", ["prompt_ids", "completion_ids"])
    prompts, completions = (_sizes(table[name]) for name in ("prompt_ids", "completion_ids"))
    share = completions.sum() / (prompts + completions).sum()
    return PlannedPool(prompts + completions, False, look_over(recipe, walk.done), share)


def _rows(tokens: int, row_tokens: int) -> NDArray[np.int64]:
    """The lengths of the rows that so many tokens of plain text fill once."""
    return np.full(max(1, tokens // row_tokens), row_tokens, dtype=np.int64)


def _sizes(lists: pa.ChunkedArray) -> NDArray[np.int64]:
    """How many values each list has."""
    return np.array(pc.list_value_length(lists).to_pylist(), dtype=np.int64)


def _check_generated(recipe: Recipe, graph: Graph, store: Store) -> None:
    """Raises RecipeError where a teacher that takes money or hours has not written its source yet."""
    costly = [each.name for each in recipe.pool.sources if each.synthetic and each.synthetic.teacher.kind != "built_in"]
    lacking = missing(graph, store) if costly else []
    for name in costly:
        if f"generated.{name}" in lacking:
            raise RecipeError(
                f"source {name!r} is not generated yet, which a plan does not do; run `winnow generate`, or declare "
                "the examples and tokens of every source"
            )


def _declared_lengths(examples: int, tokens: int) -> NDArray[np.int64]:
    """So many lengths with this sum, as equal as whole numbers can be."""
    short, extra = divmod(tokens, examples)
    return np.full(examples, short, dtype=np.int64) + (np.arange(examples) < extra)
