"""Tables that compare selections of one pool; shares lie in [0, 1], a ratio of 1 is as good as random rows."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.findings import Table
from winnow.looking.overlap import Overlap, across_seeds, between
from winnow.looking.reading import Look, Pool
from winnow.looking.specimens import specimens

GIGA = 1e9


def comparison_tables(looks: Sequence[Look], pool: Pool, vectors: NDArray[Any] | None) -> dict[str, Table]:
    """All tables by name: selections, overlap, composition, cost, examples, and faults where any were planted."""
    tables = [
        Table("selections", "Selections", tuple(_selection(look, pool) for look in looks), SELECTIONS_NOTE),
        Table("overlap", "Overlap", tuple(overlap_rows(looks, len(pool))), OVERLAP_NOTE),
        Table("composition", "Composition by source", tuple(_flat(looks, _composition))),
        Table("cost", "Cost", tuple(_cost(look) for look in looks), COST_NOTE),
        Table("examples", "Examples", tuple(_flat(looks, lambda look: specimens(look, pool, vectors)))),
    ]
    if (pool.planted != "").any():
        tables.append(Table("faults", "Planted faults", tuple(_faults(looks, pool))))
    return {table.name: table for table in tables}


SELECTIONS_NOTE = (
    "MMD: distance of the selection's mean kernel feature from the pool's or the target's, over the distance that "
    "random rows have in expectation, in features that no selector optimised; below 1 is closer than random rows. "
    "The ratio is of squared distances, its root of distances. Numbers of random arms are means over the seeds."
)
OVERLAP_NOTE = (
    "Jaccard: common rows over the rows of either. Common: common rows over the rows of the smaller selection. Beside "
    "each: the expectation for two random draws of the same sizes. Means over the seeds."
)
COST_NOTE = (
    "One pass: training on the selection once. Passes: representation and selection over that, in FLOPs. A "
    "representation is made once and may be shared by arms and fractions; here each arm is charged for all of it."
)


def overlap_rows(looks: Sequence[Look], pool_size: int) -> list[dict[str, Any]]:
    """A row for each pair of arms at one fraction, and of an arm with itself over different seeds."""
    sets = {look.arm: {seed: set(ids) for seed, ids in look.ids.items()} for look in looks}
    rows = []
    for look in looks:
        own = across_seeds(sets[look.arm], pool_size) if look.is_random else None
        if own is not None:
            rows.append(_overlap("across seeds", look, look, own))
    for first, second in itertools.combinations(looks, 2):
        if None in (first.fraction, second.fraction) or first.fraction == second.fraction:
            found = between(sets[first.arm], sets[second.arm], pool_size)
            rows.append(_overlap("between arms", first, second, found))
    return rows


def _overlap(kind: str, first: Look, second: Look, found: Overlap) -> dict[str, Any]:
    return {
        "arm": first.arm,
        "other": second.arm,
        "kind": kind,
        "jaccard_share": found.jaccard,
        "random_jaccard_share": found.random_jaccard,
        "common_share": found.common_share,
        "random_common_share": found.random_common_share,
    }


def _selection(look: Look, pool: Pool) -> dict[str, Any]:
    ratio = _mean(summary["mmd_ratio"] for summary in look.summaries.values())
    found = {
        "arm": look.arm,
        "fraction": look.fraction,
        "examples": round(float(np.mean([len(ids) for ids in look.ids.values()]))),
        "pool_share": float(np.mean([len(pool.rows(ids)) for ids in look.ids.values()])) / len(pool),
        "mean_tokens": _mean(summary["mean_tokens"] for summary in look.summaries.values()),
        "pool_mean_tokens": float(pool.tokens.mean()),
        "mmd_ratio": ratio,
        "mmd_root_ratio": None if ratio is None else ratio**0.5,
        "target_mmd_ratio": look.target_mmd_ratio,
        "target_mmd_root_ratio": None if look.target_mmd_ratio is None else look.target_mmd_ratio**0.5,
    }
    if (pool.planted != "").any():
        found["fault_share"] = float(
            np.mean([(pool.planted[pool.rows(ids)] != "").mean() for ids in look.ids.values()])
        )
    return found | {"seeds": len(look.ids) if look.is_random else 1}


def _composition(look: Look) -> list[dict[str, Any]]:
    made = [summary["composition"] for summary in look.summaries.values()]
    return [
        {
            "arm": look.arm,
            "source": rows[0]["source"],
            "examples": float(np.mean([row["selected_examples"] for row in rows])),
            "pool_share": rows[0]["pool_share"],
            "selected_share": float(np.mean([row["selected_share"] for row in rows])),
            "ratio": float(np.mean([row["ratio"] for row in rows])),
            "mean_tokens": _mean(row["mean_tokens"] for row in rows),
        }
        for rows in zip(*made, strict=True)
    ]


def _faults(looks: Sequence[Look], pool: Pool) -> list[dict[str, Any]]:
    """A row for the pool and one for each arm, a column for each fault."""
    faults = sorted(set(pool.planted[pool.planted != ""].tolist()))
    chosen = {look.arm: [pool.planted[pool.rows(ids)] for ids in look.ids.values()] for look in looks}
    return [
        {"arm": arm} | {f"{fault}_share": float(np.mean([(each == fault).mean() for each in made])) for fault in faults}
        for arm, made in {"pool": [pool.planted], **chosen}.items()
    ]


def _cost(look: Look) -> dict[str, Any]:
    spent = look.spent
    return {
        "arm": look.arm,
        "representation_gigaflops": spent.represent.flops / GIGA,
        "selector_gigaflops": spent.select.flops / GIGA,
        "one_pass_gigaflops": spent.train_flops / GIGA,
        "passes": (spent.represent.flops + spent.select.flops) / spent.train_flops,
        "representation_milliseconds": 1000 * spent.represent.seconds,
        "selector_milliseconds": 1000 * spent.select.seconds,
        "representation_bytes": spent.representation_bytes,
        "features_bytes": spent.features_bytes,
    }


def _flat(looks: Sequence[Look], rows: Callable[[Look], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for look in looks for row in rows(look)]


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the numbers; null where there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
