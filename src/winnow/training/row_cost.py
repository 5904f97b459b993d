"""The stage that counts what a row of plain text costs a run: how many tokens a budget of FLOPs, time or money buys."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.models.flops import flop_model
from winnow.parts import RowCostPart
from winnow.records import Context, Outcome, Stored
from winnow.store import write_json
from winnow.text.tokenizers import tokenizer_of
from winnow.training.stages import goal_for, model_for

ROW_COST = "row_cost.json"


@dataclass(frozen=True)
class OneRow:
    """A row of a run, of which only its length is known."""

    lengths: NDArray[np.int64]
    """[1]"""


def count_row_flops(part: RowCostPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves the reference FLOPs of training on one row, counted on the model that the run trains."""
    assert part.run.context_tokens is not None
    model = model_for(part.run, inputs, tokenizer_of(inputs["tokenizer"]))
    row = OneRow(np.array([part.run.context_tokens], dtype=np.int64))
    numbers = {"row_flops": float(goal_for(part.run, inputs).visit_flops(flop_model(model), row)[0])}
    write_json(context.folder / ROW_COST, numbers)
    return Outcome((ROW_COST,), numbers=numbers)
