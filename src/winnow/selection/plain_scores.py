"""Scores that need no model: lengths, and numbers that the data bring with them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from winnow.errors import DataError
from winnow.parts import RepresentPart
from winnow.recipe import ColumnRecipe, LengthRecipe
from winnow.records import Stored
from winnow.selection.shards import Computed, Extractor, Tell


def length_extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Number of the pool's tokens in each example."""
    recipe = part.representation
    assert isinstance(recipe, LengthRecipe)
    columns = ("prompt_ids", "completion_ids") if recipe.of == "all" else (f"{recipe.of}_ids",)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        lengths = sum(pc.list_value_length(examples[name]).to_numpy() for name in columns)
        return Computed(np.asarray(lengths, dtype=np.float64))

    return Extractor(columns, compute)


def column_extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """The score of this name that each example's source gives it. Raises DataError where a source gives none."""
    recipe = part.representation
    assert isinstance(recipe, ColumnRecipe)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        given = [dict(scores).get(recipe.column) for scores in examples["scores"].to_pylist()]
        missing = [row for row, score in enumerate(given) if score is None]
        if missing:
            source = examples["source"][missing[0]].as_py()
            raise DataError(
                f"source {source!r} gives no score {recipe.column!r}; say where it stands: "
                f"`scores: {{{recipe.column}: <column>}}` in that source"
            )
        return Computed(np.array(given, dtype=np.float64))

    return Extractor(("source", "scores"), compute)
