"""The two stages of this room: `represent` makes features of a pool once, `select` chooses rows.

Both work in the order of ids; `features.npy` and its kin are stored in the order of the pool's train.parquet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.budget import selected_size
from winnow.errors import ArtifactError, DataError, RecipeError
from winnow.ledger import metered
from winnow.parts import RepresentPart, SelectPart
from winnow.recipe import RepresentationRecipe
from winnow.records import Context, Cost, Outcome, Stored
from winnow.selection import registry
from winnow.selection.choose import choose, generator, match
from winnow.selection.composition import composition
from winnow.selection.features import fit_fourier_features, fit_whitening, fresh_mmd_ratio
from winnow.selection.hidden_states import padded_lengths, pooled_hidden_states
from winnow.selection.views import FeatureView, FloatArray, IntArray, PoolView, id_order
from winnow.store import write_json

POOL, TARGET = "train.parquet", "target.parquet"
FEATURES, TARGET_FEATURES, WHITENED = "features.npy", "target_features.npy", "whitened.npy"
SELECTION, SELECTION_SUMMARY = "selection.parquet", "selection.json"


# ------------------------------------------------------------------------------------------ represent


def represent(part: RepresentPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """A feature row for each pool example, and for each target example where the pool has a target.

    Hidden states, whitened by the pool's statistics, then random Fourier features. Inputs: `pool`, `model`.
    """
    import torch

    from winnow.models.flops import flop_model
    from winnow.models.generate import check_context
    from winnow.models.loading import load_model

    torch.set_num_threads(part.threads)
    started = perf_counter()
    recipe = part.representation
    examples = {name: _read_tokens(inputs["pool"].folder / name) for name in (POOL, TARGET)
                if name == POOL or (inputs["pool"].folder / name).is_file()}  # fmt: skip
    model = load_model(inputs["model"])
    check_context(model, max(int(each.lengths.max()) for each in examples.values()))
    states = {name: _states(model, each, recipe, context, name) for name, each in examples.items()}
    whitening = fit_whitening(states[POOL], recipe.dimensions)
    points = {name: whitening.apply(each) for name, each in states.items()}
    fourier = fit_fourier_features(
        points[POOL], features=recipe.features, seed=recipe.seed, bandwidth_scale=recipe.bandwidth_scale
    )
    names = {POOL: FEATURES, TARGET: TARGET_FEATURES}
    for name, each in points.items():
        _save(context.folder / names[name], fourier.apply(each), examples[name].order)
    _save(context.folder / WHITENED, points[POOL], examples[POOL].order)
    cost = _forward_cost(flop_model(model), list(examples.values()), recipe, perf_counter() - started)
    return Outcome(
        outputs=(*(names[name] for name in examples), WHITENED),
        numbers={
            "examples": len(examples[POOL].rows),
            "dimensions": points[POOL].shape[1],
            "features": recipe.features,
            "bandwidth": fourier.bandwidth,
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


def _states(model: Any, examples: _Tokens, recipe: RepresentationRecipe, context: Context, name: str) -> FloatArray:
    def on_batch(done: int, total: int) -> None:
        context.progress.update(done, total, f"hidden states of {name}")

    return pooled_hidden_states(model, examples.rows, recipe, on_batch)


def _save(path: Path, rows: FloatArray, order: IntArray) -> None:
    """Write rows that are sorted by id in the order of their file."""
    stored = np.empty_like(rows)
    stored[order] = rows
    np.save(path, stored)


def _forward_cost(flops: Any, examples: list[_Tokens], recipe: RepresentationRecipe, seconds: float) -> Cost:
    """The cost of one forward pass; whitening and features cost less than a thousandth of it and are left out."""
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


# --------------------------------------------------------------------------------------------- select


@dataclass(frozen=True)
class _Task:
    """A pool sorted by id, and which of its rows may be chosen."""

    part: SelectPart
    inputs: Mapping[str, Stored]
    pool: PoolView
    order: IntArray
    """Where each row of the pool stands in its file, and so in the files of features."""
    candidates: IntArray


def select(part: SelectPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Choose rows of a pool and tell what they are made of.

    Inputs: `pool`, `features`? (for selectors that need them), `audit`? (features for the summary alone, where the
    selector is blind to them), `reference`? (for a control).

    With `resample` below 1 a seeded part of the pool are the candidates, the same for all arms of a seed. Raises
    RecipeError where part and inputs do not fit the selector.
    """
    started = perf_counter()
    task = _read_task(part, inputs)
    pool = task.pool
    is_control = part.selector in registry.traits() and registry.traits()[part.selector].is_control
    rows, flops = (_match(task), 0.0) if is_control else _choose(task)
    chosen = task.candidates[rows]
    cost = Cost(flops=flops, seconds=perf_counter() - started)
    summary = {
        "selector": part.selector,
        "fraction": part.fraction if part.fraction is not None else len(chosen) / len(pool),
        "size": len(chosen),
        "pool_size": len(pool),
        "seed": part.seed,
        **composition(pool, chosen),
        "mmd_ratio": _mmd_ratio(task, chosen),
    }
    ids = pa.array([pool.ids[row] for row in chosen], pa.string())
    pq.write_table(pa.table({"id": ids, "rank": np.arange(len(chosen))}), context.folder / SELECTION)
    write_json(context.folder / SELECTION_SUMMARY, summary)
    numbers = {key: summary[key] for key in ("size", "pool_size", "mean_tokens", "pool_mean_tokens", "mmd_ratio")}
    features = metered(inputs["features"].artifact, ("represent",)).flops if "features" in inputs else 0.0
    # The summary is no output: an audit that comes later does not make a selection another one.
    return Outcome(
        (SELECTION,), (SELECTION_SUMMARY,), numbers | {"charged_flops": flops + features}, costs={"select": cost}
    )


def _read_task(part: SelectPart, inputs: Mapping[str, Stored]) -> _Task:
    table = pq.read_table(inputs["pool"].folder / POOL, columns=["id", "source", "prompt_ids", "completion_ids"])
    prompts, completions = (pc.list_value_length(table[name]).to_numpy() for name in ("prompt_ids", "completion_ids"))
    ids = table["id"].to_pylist()
    order = id_order(ids)
    sources = np.asarray(table["source"].to_pylist(), dtype=np.str_)
    pool = PoolView(ids, sources, (prompts + completions).astype(np.int64)).take(order)
    return _Task(part, inputs, pool, order, _candidates(part, len(pool)))


def _candidates(part: SelectPart, pool_size: int) -> IntArray:
    if part.resample >= 1:
        return np.arange(pool_size)
    assert part.seed is not None, "a resampled pool differs by seed"
    size = max(1, int(part.resample * pool_size + 0.5))
    return np.sort(generator("resample", part.seed).permutation(pool_size)[:size])


def _choose(task: _Task) -> tuple[IntArray, float]:
    """Rows among the candidates, best first, and the FLOPs it took."""
    name, options = task.part.selector, task.part.options
    found = registry.find_selector(name)
    if task.part.target and not found.traits.needs_features:
        raise RecipeError(f"{name} cannot aim at a target; remove `target: true` from its arm")
    features = _read_features(task) if found.traits.needs_features else None
    pool, size = task.pool.take(task.candidates), _size(task, found)
    chosen = choose(name, pool, size=size, features=features, options=options, seed=task.part.seed or 0)
    num_features = 0 if features is None else features.rows.shape[1]
    checked = registry.check(name, options)
    return chosen, found.flops(pool_examples=len(pool), num_features=num_features, size=len(chosen), options=checked)


def _size(task: _Task, found: registry.Selector) -> int | None:
    """Rows to choose: the fraction of the whole pool, also where only some of it are candidates."""
    name, fraction, pool_size = task.part.selector, task.part.fraction, len(task.pool)
    if not found.traits.takes_fraction:
        if fraction not in (None, 1.0):
            raise RecipeError(f"{name} brings its own size; remove the fractions from its arm")
        return None
    if fraction is None:
        raise RecipeError(f"{name} has no fraction; give its arm one in (0, 1]")
    size = selected_size(fraction, pool_size)
    if size > len(task.candidates):
        candidates = f"the {len(task.candidates)} candidates that resample {task.part.resample:g} leaves"
        raise RecipeError(f"fraction {fraction:g} of {pool_size} rows is more than {candidates}; lower the fraction")
    return size


def _match(task: _Task) -> IntArray:
    """Rows among the candidates that match the reference selection."""
    name = task.part.selector
    if "reference" not in task.inputs:
        raise RecipeError(f"{name} is a control and has nothing to match; name an arm under `of:`")
    ids = pq.read_table(task.inputs["reference"].folder / SELECTION, columns=["id"])["id"].to_pylist()
    pool = task.pool.take(task.candidates)
    row_of = {name: row for row, name in enumerate(pool.ids)}
    missing = [each for each in ids if each not in row_of]
    if missing:
        also = "select both with the same pool, resample and seed"
        raise DataError(f"{len(missing)} rows that {name} is to match are no candidates (such as {missing[0]}); {also}")
    reference = np.array([row_of[each] for each in ids], dtype=np.int64)
    return match(name, reference, pool, options=task.part.options, seed=task.part.seed or 0)


def _read_features(task: _Task) -> FeatureView:
    rows = _load(task, FEATURES)[task.order[task.candidates]]
    if not task.part.target:
        return FeatureView(rows)
    path = task.inputs["features"].folder / TARGET_FEATURES
    if not path.is_file():
        raise RecipeError(f"{task.part.selector} aims at a target and the pool has none; give the recipe `pool.target`")
    return FeatureView(rows, np.load(path))


def _mmd_ratio(task: _Task, chosen: IntArray) -> float | None:
    """In the whole pool, to six digits: the rest depends on the number of threads."""
    if not {"features", "audit"} & set(task.inputs):
        return None
    ratio = fresh_mmd_ratio(_load(task, WHITENED)[task.order], chosen)
    return None if ratio is None else float(f"{ratio:.6g}")


def _load(task: _Task, name: str) -> FloatArray:
    """One row per pool row, in the file's order; from a memory map, so that taking rows makes the only copy."""
    given = task.inputs.get("features") or task.inputs.get("audit")
    if given is None:
        raise RecipeError(f"{task.part.selector} needs features; give it the `features` stage as input")
    path = given.folder / name
    rows: FloatArray = np.load(path, mmap_mode="r")
    if len(rows) != len(task.pool):
        raise ArtifactError(f"{path} has {len(rows)} rows, the pool {len(task.pool)}; remove its folder and run again")
    return rows
