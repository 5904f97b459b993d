"""What a run trains on: rows of its pool or corpus, as its objective makes them, those of a selection alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.models.rows import TokenRows
from winnow.parts import TrainPart
from winnow.records import Stored
from winnow.training.objectives.goal import Goal
from winnow.training.objectives.views import Material

Weights = dict[str, float]


def rows_of_run(goal: Goal, part: TrainPart, inputs: Mapping[str, Stored], tokenizer: Any) -> TokenRows:
    """The rows, with the weights of the selection if it has any. Raises DataError where one has nothing to learn."""
    data = inputs["data"].folder
    weights: Weights | None = None
    if goal.objective.takes == "corpus":
        table = pq.read_table(data / "documents.parquet")
    elif "selection" in inputs:
        table, weights = _selected(inputs)
    else:
        table = pq.read_table(data / "train.parquet")
        if part.sources is not None:
            table = table.filter([source in part.sources for source in table["source"].to_pylist()])
    rows = goal.rows(Material(table, part.training, tokenizer, part.context_tokens))
    return rows if weights is None else replace(rows, weights=np.array([weights[name] for name in rows.names]))


def _selected(inputs: Mapping[str, Stored]) -> tuple[pa.Table, Weights | None]:
    """The chosen examples of the pool, and of its target sample where a control adds that; with weights if it has any.

    In the pool's order, not by rank: two selections of the same rows train to the same bits.
    """
    pool = pq.read_table(inputs["data"].folder / "train.parquet")
    selection = pq.read_table(inputs["selection"].folder / "selection.parquet")
    names = selection["id"].to_pylist()
    if not set(names) <= set(pool["id"].to_pylist()):
        target = pq.read_table(inputs["data"].folder / "target.parquet")
        pool = pa.concat_tables([pool, target], promote_options="default")  # conversations alone have masks
    chosen = pool.filter(pc.is_in(pool["id"], pa.array(names)))
    is_weighed = "weight" in selection.column_names
    return chosen, dict(zip(names, selection["weight"].to_pylist(), strict=True)) if is_weighed else None
