"""The stage `represent`: what selectors see of the examples, made once per pool and model, and charged.

Examples are taken in the order of ids; files are stored in the order of the pool's parquet files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from winnow.ledger import metered, total
from winnow.parts import RepresentPart
from winnow.recipe import HiddenStatesRecipe
from winnow.records import Context, Cost, Outcome, Stored
from winnow.selection.features import fit_whitening
from winnow.selection.hidden_states import padded_lengths, pooled_hidden_states
from winnow.selection.views import FloatArray, IntArray, id_order

POOL, TARGET = "train.parquet", "target.parquet"
VECTORS, TARGET_VECTORS = "vectors.npy", "target_vectors.npy"
SCORES, TARGET_SCORES = "scores.npy", "target_scores.npy"
COUNTS, TARGET_COUNTS = "counts.npz", "target_counts.npz"


def represent(part: RepresentPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """A vector for each pool example, and for each target example where the pool has a target.

    Hidden states, whitened by the pool's statistics. Inputs: `pool`, `model`.
    """
    import torch

    from winnow.models.flops import flop_model
    from winnow.models.generate import check_context
    from winnow.models.loading import load_model

    torch.set_num_threads(part.threads)
    started = perf_counter()
    recipe = part.representation
    assert isinstance(recipe, HiddenStatesRecipe) and recipe.dimensions is not None
    examples = {name: _read_tokens(inputs["pool"].folder / name) for name in (POOL, TARGET)
                if name == POOL or (inputs["pool"].folder / name).is_file()}  # fmt: skip
    model = load_model(inputs["model"])
    check_context(model, max(int(each.lengths.max()) for each in examples.values()))
    states = {name: _states(model, each, recipe, context, name) for name, each in examples.items()}
    whitening = fit_whitening(states[POOL], recipe.dimensions)
    names = {POOL: VECTORS, TARGET: TARGET_VECTORS}
    points = {name: whitening.apply(each) for name, each in states.items()}
    for name, each in points.items():
        _save(context.folder / names[name], each, examples[name].order)
    cost = _forward_cost(flop_model(model), list(examples.values()), recipe, perf_counter() - started)
    warm_up = total(
        metered(stored.artifact, ("train",)) for role, stored in inputs.items() if role.startswith("warm_up.")
    )
    return Outcome(
        outputs=tuple(names[name] for name in examples),
        numbers={
            "examples": len(examples[POOL].rows),
            "dimensions": points[POOL].shape[1],
            "charged_flops": cost.flops + warm_up.flops,
        },
        costs={"represent": cost},
    )


@dataclass(frozen=True)
class _Tokens:
    """Token ids of examples, sorted by id."""

    rows: list[list[int]]
    order: IntArray
    """Where each row stands in its file."""

    @property
    def lengths(self) -> IntArray:
        return np.array([len(row) for row in self.rows], dtype=np.int64)


def _read_tokens(path: Path) -> _Tokens:
    table = pq.read_table(path, columns=["id", "prompt_ids", "completion_ids"])
    order = id_order(table["id"].to_pylist())
    prompts, completions = table["prompt_ids"].to_pylist(), table["completion_ids"].to_pylist()
    return _Tokens([prompts[row] + completions[row] for row in order], order)


def _states(model: Any, examples: _Tokens, recipe: HiddenStatesRecipe, context: Context, name: str) -> FloatArray:
    def on_batch(done: int, total: int) -> None:
        context.progress.update(done, total, f"hidden states of {name}")

    return pooled_hidden_states(model, examples.rows, recipe, on_batch)


def _save(path: Path, rows: FloatArray, order: IntArray) -> None:
    """Write rows that are sorted by id in the order of their file."""
    stored = np.empty_like(rows)
    stored[order] = rows
    np.save(path, stored)


def _forward_cost(flops: Any, examples: list[_Tokens], recipe: HiddenStatesRecipe, seconds: float) -> Cost:
    """The cost of one forward pass; whitening costs less than a thousandth of it and is left out."""
    lengths = [each.lengths for each in examples]
    batches = [batch for each in lengths for batch in padded_lengths(each, recipe.batch_size)]
    tokens = int(sum(each.sum() for each in lengths))
    return Cost(
        flops=float(sum(flops.forward(each).sum() for each in lengths)),
        executed_flops=sum(flops.forward.executed(rows=rows, padded_length=width, heads=0) for rows, width in batches),
        flops_6n=flops.six_n(tokens) / 3,  # of the convention's six, two are the forward pass
        tokens=tokens,
        padded_tokens=sum(rows * width for rows, width in batches),
        seconds=seconds,
    )
