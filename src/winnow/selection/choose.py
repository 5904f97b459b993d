"""Run a selector or control by name: the one door, where what goes in and comes out is checked.

Rows are sorted by id before a selector sees them, so the order in which a pool is stored never matters.
"""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from winnow.errors import DataError, RecipeError
from winnow.selection import registry
from winnow.selection.views import Chosen, IntArray, PoolView, Seen, check_finite, id_order

FIRST_GUESS = 1.25
"""Rows asked for first where tokens are the measure, over what the pool's mean length gives."""


def choose(
    name: str,
    pool: PoolView,
    *,
    size: int | None = None,
    tokens: int | None = None,
    seen: Seen | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Chosen:
    """The rows that a selector chooses, best first, and their weights if it gives any.

    `size` of them, or as many as fit into `tokens` (the last one may exceed it), or the selector's own number where
    it takes no fraction. Raises RecipeError for a wrong name, option or size, DataError for values that are not finite.
    """
    found = registry.find_selector(name)
    checked = registry.check(name, options or {})
    order = id_order(pool.ids)
    sorted_pool = _sorted_pool(pool, order)
    given = _given(name, options or {}, seen or Seen(), order)

    def run(wanted: int) -> Chosen:
        rng = generator(name, seed)
        made = found.order(sorted_pool, size=wanted, seen=given, options=checked, rng=rng)
        picked = made if isinstance(made, Chosen) else Chosen(made)
        end = wanted if found.traits.takes_fraction else len(picked.rows)
        return _checked(name, picked, end, len(pool))

    picked = (
        _by_tokens(name, found, run, sorted_pool, tokens) if tokens is not None else run(_wanted(found, size, pool))
    )
    return replace(picked, rows=order[picked.rows])


def match(
    name: str,
    reference: IntArray,
    pool: PoolView,
    *,
    size: int | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> IntArray:
    """The rows that a control draws to match `reference`, another arm's rows: as many, or `size`.

    Raises RecipeError, DataError.
    """
    found = registry.find_control(name)
    checked = registry.check(name, options or {})
    if not len(reference):
        raise DataError(f"{name} has an empty selection to match; it needs at least one row")
    wanted = len(reference) if size is None else size
    order = id_order(pool.ids)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    rows, rng = np.sort(position[reference]), generator(name, seed)
    drawn = found.draw(rows, _sorted_pool(pool, order), size=wanted, options=checked, rng=rng)
    return order[_checked(name, Chosen(drawn), wanted, len(pool)).rows] if wanted else order[:0]


def generator(name: str, seed: int) -> np.random.Generator:
    """Random numbers of a seed, different for each name: arms of one seed must not share their draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _wanted(found: registry.Selector, size: int | None, pool: PoolView) -> int:
    name = found.traits.name
    if not found.traits.takes_fraction:
        if size not in (None, len(pool)):
            raise RecipeError(f"{name} brings its own size and was asked for {size} rows; leave its fraction out")
        return len(pool)
    if size is None:
        raise RecipeError(f"{name} has no fraction; give its arm one in (0, 1]")
    if not 1 <= size <= len(pool):
        raise RecipeError(f"{name} was asked for {size} of {len(pool)} candidates; choose a fraction that fits")
    return size


def _by_tokens(name: str, found: registry.Selector, run: Any, pool: PoolView, tokens: int) -> Chosen:
    """The shortest prefix of the order that holds so many tokens, or everything; asks for more rows until it does."""
    if not (found.traits.takes_fraction and found.traits.is_nested):
        raise RecipeError(f"{name} gives a set, not an order; size it in examples")
    if tokens < 1:
        raise RecipeError(f"{name} was asked for {tokens} tokens; it needs at least 1")
    wanted = min(len(pool), int(FIRST_GUESS * tokens / pool.tokens.mean()) + 1)
    while True:
        picked: Chosen = run(wanted)
        held = np.cumsum(pool.tokens[picked.rows])
        if held[-1] >= tokens or wanted == len(pool):
            break
        wanted = min(len(pool), 2 * wanted)
    size = min(int(np.searchsorted(held, tokens)) + 1, wanted)
    return Chosen(picked.rows[:size]) if picked.weights is None else run(size)


def _sorted_pool(pool: PoolView, order: IntArray) -> PoolView:
    return pool if _is_sorted(order) else pool.take(order)


def _given(name: str, options: Mapping[str, Any], seen: Seen, order: IntArray) -> Seen:
    """What the selector asked for and nothing else, checked, sorted by id."""
    traits = registry.find_selector(name).traits
    needs = registry.needs(name, options)
    target = seen.target if traits.target != "none" or traits.wraps else None
    if target is None and traits.target == "required":
        raise RecipeError(f"{name} needs a target; give the recipe `pool.target` and its arm `target: true`")
    absent: dict[str, Any] = {part: None for part in ("vectors", "features", "scores", "counts") if part not in needs}
    kept = replace(seen, target=None if target is None else replace(target, **absent), **absent)
    for part in needs:
        rows = getattr(kept, part)
        if rows is None:
            raise RecipeError(f"{name} needs {part} and there are none; name a representation that gives them")
        assert rows.shape[0] == len(order), f"one row of {part} per candidate"
        check_finite(rows, f"the {part}")
        if kept.target is not None and getattr(kept.target, part) is not None:
            check_finite(getattr(kept.target, part), f"the target's {part}")
    return kept if _is_sorted(order) else kept.take(order)


def _is_sorted(order: IntArray) -> bool:
    return bool(np.all(order[1:] > order[:-1]))


def _checked(name: str, chosen: Chosen, size: int, pool_size: int) -> Chosen:
    """The rows as they came, if they keep what a selector promises; other packages' selectors pass here too."""
    picked = np.asarray(chosen.rows, dtype=np.int64)[:size]
    if len(picked) != size or len(np.unique(picked)) != size or size == 0:
        raise DataError(f"{name} gave {len(np.unique(picked))} distinct rows where {max(size, 1)} were asked for")
    if picked.min() < 0 or picked.max() >= pool_size:
        raise DataError(f"{name} gave a row outside the pool of {pool_size}")
    weights = chosen.weights
    if weights is not None and (len(weights) != size or not np.isfinite(weights).all() or weights.min() <= 0):
        raise DataError(f"{name} gave {len(weights)} weights for {size} rows; it needs one positive number for each")
    return Chosen(picked, None if weights is None else weights / weights.mean())
