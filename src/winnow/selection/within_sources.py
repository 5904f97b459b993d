"""Another selector inside each source, merged at given shares: shares first, then rows.

    {selector: within_sources, options: {order: herding, shares: equal}}

Each turn goes to the source that is furthest behind its share; one that has run out gives its turns to the others.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from winnow.errors import DataError, RecipeError, nearest
from winnow.recipe import Frozen
from winnow.selection import registry
from winnow.selection.registry import selector
from winnow.selection.shares import frequencies, interleave, shares_of, target_shares
from winnow.selection.views import Chosen, IntArray, PoolView, Seen, TargetSample

KINDS = ("pool", "equal", "target")


class WithinSourcesOptions(Frozen):
    """Options of `within_sources`."""

    order: str = "random"
    """Name of the selector that orders the rows of each source; it must take a fraction and give nested orders."""
    order_options: dict[str, Any] = {}
    """That selector's own options."""
    shares: str | dict[str, Any] = "pool"
    """Share of each source: `pool` (as in the pool), `equal`, `target` (as in the target), or given as a mapping.
    Sources of share 0 or not given come last."""

    @model_validator(mode="after")
    def _inner_fits(self) -> Self:
        traits = registry.find_selector(self.order).traits
        if traits.wraps:
            raise RecipeError(f"within_sources cannot hold {self.order}, which holds a selector itself; name another")
        if not (traits.takes_fraction and traits.is_nested):
            raise RecipeError(f"within_sources cannot hold {self.order}, which gives a set, not an order; name another")
        registry.check(self.order, self.order_options)
        _check_shares(self.shares)
        return self


def _check_shares(shares: str | dict[str, Any]) -> None:
    if isinstance(shares, str):
        if shares not in KINDS:
            hint = f"{nearest(shares, KINDS)}; known: {', '.join(KINDS)}, or a mapping from sources to shares"
            raise RecipeError(f"option shares of within_sources is {shares!r}{hint}")
        return
    bad = [name for name, share in shares.items() if not (isinstance(share, (int, float)) and 0 <= share < np.inf)]
    if bad:
        raise RecipeError(f"share of source {bad[0]!r} is {shares[bad[0]]!r}; it must be 0 or a positive number")
    if not any(shares.values()):
        raise RecipeError("shares of within_sources are all 0 or missing; give at least one source a share above 0")


def flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: WithinSourcesOptions) -> float:
    """Those of the inner selector on the pool as one source: exact where its cost is linear, else an upper bound."""
    return registry.find_selector(options.order).flops(
        pool_examples=pool_examples, width=width, size=size, target_examples=target_examples,
        options=registry.check(options.order, options.order_options),
    )  # fmt: skip


def files(options: WithinSourcesOptions) -> tuple[Path, ...]:
    """Those of the inner selector."""
    return registry.data_files(options.order, options.order_options)


@selector(
    "within_sources",
    summary="Another selector inside each source, merged at given shares.",
    options=WithinSourcesOptions,
    target="optional",
    is_random=True,
    wraps=True,
    flops=flops,
    files=files,
)
def order(
    pool: PoolView, *, size: int, seen: Seen, options: WithinSourcesOptions, rng: np.random.Generator
) -> IntArray:
    """`size` rows.

    An inner selector that aims at the target sees its rows of the same source, or all where it has none of that
    source. Raises RecipeError where a target is needed and there is none, DataError for shares of unknown sources.
    """
    names, source = np.unique(pool.sources, return_inverse=True)
    shares = _shares(options, names.tolist(), source, seen.target)
    unordered = np.sort(source)
    merged = unordered[interleave(unordered, shares)][:size]
    wanted = np.bincount(merged, minlength=len(names))
    seed = int(rng.integers(2**32))
    chosen = np.empty(len(merged), dtype=np.int64)
    for number in np.flatnonzero(wanted):
        rows, name = np.flatnonzero(source == number), str(names[number])
        inner_rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        given = replace(seen.take(rows), target=_target_inside(options, seen.target, name))
        picked = _order_inside(options, pool.take(rows), int(wanted[number]), given, inner_rng)
        chosen[merged == number] = rows[picked]
    return chosen


def _shares(
    options: WithinSourcesOptions, names: Sequence[str], source: IntArray, target: TargetSample | None
) -> NDArray[np.float64]:
    """Share of each source, [sources]."""
    if isinstance(options.shares, dict):
        return shares_of(options.shares, names, of="the option shares of within_sources")
    if options.shares == "equal":
        return np.ones(len(names))
    if options.shares == "pool":
        return frequencies(source, len(names))
    if target is None:
        raise RecipeError("within_sources has `shares: target` and no target; give its arm `target: true`")
    return target_shares(target.sources, names)


def _target_inside(options: WithinSourcesOptions, target: TargetSample | None, source: str) -> TargetSample | None:
    """The target's rows of a source, or all where there are none; null where the inner selector has no target."""
    aims = registry.find_selector(options.order).traits.target
    if aims == "required" and target is None:
        raise RecipeError(f"{options.order} needs a target; give the arm of within_sources `target: true`")
    if aims == "none" or target is None:
        return None
    rows = np.flatnonzero(target.sources == source)
    return _take(target, rows) if len(rows) else target


def _take(target: TargetSample, rows: IntArray) -> TargetSample:
    parts = {part: getattr(target, part) for part in ("vectors", "features", "scores", "counts")}
    taken: dict[str, Any] = {name: None if part is None else part[rows] for name, part in parts.items()}
    return TargetSample(target.sources[rows], **taken)


def _order_inside(
    options: WithinSourcesOptions, pool: PoolView, size: int, seen: Seen, rng: np.random.Generator
) -> IntArray:
    """`size` rows of one source, best first, checked like those of any selector."""
    inner = registry.find_selector(options.order)
    checked = registry.check(options.order, options.order_options)
    picked = inner.order(pool, size=size, seen=seen, options=checked, rng=rng)
    if isinstance(picked, Chosen):
        raise RecipeError(f"within_sources cannot hold {options.order}, which weighs its rows; name another")
    rows = np.asarray(picked, dtype=np.int64)[:size]
    if len(np.unique(rows)) != size:
        raise DataError(
            f"{options.order} gave {len(np.unique(rows))} distinct rows of {len(pool)}; {size} were asked for"
        )
    return rows
