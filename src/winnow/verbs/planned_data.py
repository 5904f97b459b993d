"""The data of a plan: read and tokenised into the store, where `winnow run` finds them, or as they are declared."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from winnow.errors import RecipeError
from winnow.mixing.sources import SourceTokens
from winnow.pipeline import look_over, selector_traits, store_beside
from winnow.recipe import Recipe
from winnow.store import Store
from winnow.study.graph import Graph, expand
from winnow.verbs.planned_pool import PlannedPool, pool_of, text_pool_of, text_rows
from winnow.walk import Watch, missing, walk_stages, wanted


def is_declared(recipe: Recipe) -> bool:
    """Whether the recipe tells the size of the pool itself, so that no data are read."""
    return all(source.examples is not None and source.tokens is not None for source in recipe.pool.sources)


def read_pool(recipe: Recipe, out: str | Path | None, store: str | Path | None, watch: Watch) -> PlannedPool:
    """The pool and the evaluation sets, read and tokenised into the store, or a pool as large as is declared."""
    if is_declared(recipe):
        sizes = [(source.examples or 0, source.tokens or 0) for source in recipe.pool.sources]
        if recipe.row_tokens is not None:
            held = [SourceTokens(each.name, each.tokens or 0, each.examples or 0, 0) for each in recipe.pool.sources]
            rows = text_rows(sum(tokens for _, tokens in sizes), recipe.row_tokens)
            return PlannedPool(rows, True, sources=tuple(held))
        held = [SourceTokens(each.name, each.tokens or 0, each.examples or 0, 0) for each in recipe.pool.sources]
        numbers = np.repeat(np.arange(len(sizes), dtype=np.int16), [examples for examples, _ in sizes])
        lengths = np.concatenate([_declared_lengths(*each) for each in sizes])
        return PlannedPool(lengths, True, sources=tuple(held), source_of_row=numbers)
    graph, shelf = expand(recipe, selector_traits()), store_beside(recipe, out, store)
    _check_generated(recipe, graph, shelf)
    walk = walk_stages(graph, recipe, shelf, wanted(graph, until=("pool", "text_pool", "tests")), watch)
    if recipe.row_tokens is not None:
        return text_pool_of(recipe, walk.done, warnings=look_over(recipe, walk.done))
    return pool_of(walk.done, warnings=look_over(recipe, walk.done))


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
