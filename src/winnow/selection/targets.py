"""Where a target sample may come from: the target split of a pool, and nothing else.

The pool stage makes that split of its own training rows or of a file of the user's (`pool.target`), both without the
questions of evaluation sets. So a selector cannot aim at evaluation data, whatever a recipe says. For `winnow.select`
the user hands over rows of his own (kind `rows`), from which those that stand in `evaluation` are removed.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.errors import ArtifactError, RecipeError
from winnow.records import Stored
from winnow.selection.represent import TARGET
from winnow.selection.views import IntArray, id_order

POOL_KINDS = ("pool", "rows")


@dataclass(frozen=True, slots=True)
class TargetSplit:
    """The target examples of a pool, sorted by id."""

    ids: list[str]
    order: IntArray
    """Where each stands in the pool's file of them."""
    sources: NDArray[np.str_]


def target_split(pool: Stored, *, selector: str) -> TargetSplit:
    """The target of a pool.

    Raises ArtifactError where the artifact is no pool, such as one of evaluation sets; RecipeError where the pool has
    no target for the selector that asks.
    """
    kind = pool.artifact.kind
    if kind not in POOL_KINDS:
        raise ArtifactError(f"{selector} was to aim at an artifact of kind {kind!r}; give it a pool's target split")
    path = pool.folder / TARGET
    if not path.is_file():
        raise RecipeError(f"{selector} aims at a target and the pool has none; give the recipe `pool.target`")
    table = pq.read_table(path, columns=["id", "source"])
    ids = table["id"].to_pylist()
    order = id_order(ids)
    return TargetSplit(
        [ids[row] for row in order], order, np.asarray(table["source"].to_pylist(), dtype=np.str_)[order]
    )
