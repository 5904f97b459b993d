"""The stage `select`: choose rows of a pool and tell what they are made of.

It works in the order of ids; representations are stored in the order of the pool's parquet files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.budget import selected_size
from winnow.errors import DataError, RecipeError
from winnow.ledger import metered, total
from winnow.parts import SelectPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.selection import registry
from winnow.selection.choose import choose, generator, match
from winnow.selection.composition import composition
from winnow.selection.features import fresh_mmd_ratio
from winnow.selection.represent import POOL, VECTORS
from winnow.selection.seen import read_rows, read_seen
from winnow.selection.targets import target_split
from winnow.selection.views import Chosen, IntArray, PoolView, id_order
from winnow.store import write_json

WARM_UP = "warm_up."
SELECTION, SELECTION_SUMMARY = "selection.parquet", "selection.json"


@dataclass(frozen=True)
class _Task:
    """A pool sorted by id, and which of its rows may be chosen."""

    part: SelectPart
    inputs: Mapping[str, Stored]
    pool: PoolView
    order: IntArray
    """Where each row of the pool stands in its file, and so in the files of features."""
    candidates: IntArray
    planted: NDArray[np.str_]
    """The fault of each row of the pool that was put in on purpose, or nothing; for the summary alone."""


def select(part: SelectPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Choose rows of a pool and tell what they are made of.

    Inputs: `pool`; what the selector needs of `vectors`, `counts`, `scores`; `audit`? (vectors for the summary alone,
    where the selector sees others or none); `reference`? (for a control); `warm_up.<stage>` (training that was done for
    what it sees and for nothing else, charged with it).

    With `resample` below 1 a seeded part of the pool are the candidates, the same for all arms of a seed. Raises
    RecipeError where part and inputs do not fit the selector.
    """
    started = perf_counter()
    task = _read_task(part, inputs)
    pool = task.pool
    is_control = part.selector in registry.traits() and registry.traits()[part.selector].is_control
    picked, flops, added = (*_match(task),) if is_control else (*_choose(task), [])
    chosen = task.candidates[picked.rows]
    cost = Cost(flops=flops, seconds=perf_counter() - started)
    summary = {
        "selector": part.selector,
        "fraction": part.fraction if part.fraction is not None else len(chosen) / len(pool),
        "size": len(chosen) + len(added),
        "pool_size": len(pool),
        "added": len(added),
        "seed": part.seed,
        **composition(pool, chosen),
        "planted": _planted(task, chosen),
        "mmd_ratio": _mmd_ratio(task, chosen),
    }
    _write_selection(context, [*added, *(pool.ids[row] for row in chosen)], picked.weights)
    write_json(context.folder / SELECTION_SUMMARY, summary)
    numbers = {key: summary[key] for key in ("size", "pool_size", "mean_tokens", "pool_mean_tokens", "mmd_ratio")}
    charged = flops + total(_charge(role, stored) for role, stored in inputs.items()).flops
    # The summary is no output: an audit that comes later does not make a selection another one.
    return Outcome((SELECTION,), (SELECTION_SUMMARY,), numbers | {"charged_flops": charged}, costs={"select": cost})


def _charge(role: str, stored: Stored) -> Cost:
    """What an input costs the selection: what it sees, and training that was done for that alone."""
    if role in ("vectors", "counts", "scores"):
        return metered(stored.artifact, ("represent",))
    return metered(stored.artifact, ("train",)) if role.startswith(WARM_UP) else Cost()


def _planted(task: _Task, chosen: IntArray) -> dict[str, dict[str, float]]:
    """Fault that was put into the pool on purpose -> its share of the pool's rows and of the chosen ones."""
    if not len(chosen):
        return {}
    is_fault = {str(fault): task.planted == fault for fault in np.unique(task.planted) if fault}
    return {
        fault: {"pool_share": float(rows.mean()), "share": float(rows[chosen].mean())}
        for fault, rows in is_fault.items()
    }


def _write_selection(context: Context, ids: list[str], weights: NDArray[np.float64] | None) -> None:
    """Ids, ranks, and where rows do not count alike their weights."""
    columns = {"id": pa.array(ids, pa.string()), "rank": np.arange(len(ids))}
    if weights is not None:
        columns["weight"] = pa.array(weights, pa.float64())
    pq.write_table(pa.table(columns), context.folder / SELECTION)


def _read_task(part: SelectPart, inputs: Mapping[str, Stored]) -> _Task:
    path = inputs["pool"].folder / POOL
    planted = ["planted"] if "planted" in pq.read_schema(path).names else []
    table = pq.read_table(path, columns=["id", "source", "prompt_ids", "completion_ids", *planted])
    prompts, completions = (pc.list_value_length(table[name]).to_numpy() for name in ("prompt_ids", "completion_ids"))
    ids = table["id"].to_pylist()
    order = id_order(ids)
    sources = np.asarray(table["source"].to_pylist(), dtype=np.str_)
    faults = table["planted"].fill_null("").to_pylist() if planted else [""] * len(ids)
    pool = PoolView(ids, sources, (prompts + completions).astype(np.int64)).take(order)
    return _Task(part, inputs, pool, order, _candidates(part, len(pool)), np.asarray(faults, dtype=np.str_)[order])


def _candidates(part: SelectPart, pool_size: int) -> IntArray:
    if part.resample >= 1:
        return np.arange(pool_size)
    assert part.seed is not None, "a resampled pool differs by seed"
    size = max(1, int(part.resample * pool_size + 0.5))
    return np.sort(generator("resample", part.seed).permutation(pool_size)[:size])


def _choose(task: _Task) -> tuple[Chosen, float]:
    """Rows among the candidates, best first, and the FLOPs it took."""
    name, options = task.part.selector, task.part.options
    found = registry.find_selector(name)
    is_aimed = found.traits.target != "none" or found.traits.wraps
    if task.part.target and not is_aimed:
        raise RecipeError(f"{name} cannot aim at a target; remove `target: true` from its arm")
    needs = registry.needs(name, options)
    seen, mapping = read_seen(task.part, task.inputs, needs, task.order[task.candidates])
    pool, sizes = task.pool.take(task.candidates), _sizes(task, found)
    chosen = choose(name, pool, seen=seen, options=options, seed=task.part.seed or 0, **sizes)
    rows = seen.features if seen.features is not None else seen.vectors
    flops = found.flops(
        pool_examples=len(pool), width=0 if rows is None else rows.shape[1], size=len(chosen.rows),
        target_examples=0 if seen.target is None else len(seen.target), options=registry.check(name, options),
    )  # fmt: skip
    return chosen, flops + mapping


def _sizes(task: _Task, found: registry.Selector) -> dict[str, int]:
    """How much to choose: rows or tokens; nothing where the selector brings its own size."""
    size = _size(task, found)
    if size is None:
        return {}
    if task.part.sized_by == "examples":
        return {"size": size}
    return {"tokens": selected_size(task.part.fraction or 1.0, int(task.pool.tokens.sum()))}


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


def _match(task: _Task) -> tuple[Chosen, float, list[str]]:
    """Rows among the candidates that match the reference selection, and ids of target examples that join them."""
    name = task.part.selector
    if "reference" not in task.inputs:
        raise RecipeError(f"{name} is a control and has nothing to match; name an arm under `of:`")
    ids = pq.read_table(task.inputs["reference"].folder / SELECTION, columns=["id"])["id"].to_pylist()
    added = _target_ids(task)[: len(ids)] if registry.find_control(name).traits.adds_target else []
    pool = task.pool.take(task.candidates)
    row_of = {name: row for row, name in enumerate(pool.ids)}
    missing = [each for each in ids if each not in row_of]
    if missing:
        also = "select both with the same pool, resample and seed"
        raise DataError(f"{len(missing)} rows that {name} is to match are no candidates (such as {missing[0]}); {also}")
    reference = np.array([row_of[each] for each in ids], dtype=np.int64)
    seed, size = task.part.seed or 0, len(ids) - len(added)
    return Chosen(match(name, reference, pool, size=size, options=task.part.options, seed=seed)), 0.0, added


def _target_ids(task: _Task) -> list[str]:
    """Ids of the target sample, in a seeded order."""
    ids = target_split(task.inputs["pool"], selector=task.part.selector).ids
    return [ids[row] for row in generator("target", task.part.seed or 0).permutation(len(ids))]


def _mmd_ratio(task: _Task, chosen: IntArray) -> float | None:
    """In the whole pool, to six digits: the rest depends on the number of threads."""
    given = task.inputs.get("audit") or task.inputs.get("vectors")
    if given is None or not len(chosen):
        return None
    ratio = fresh_mmd_ratio(read_rows(given, VECTORS, task.order), chosen)
    return None if ratio is None else float(f"{ratio:.6g}")
