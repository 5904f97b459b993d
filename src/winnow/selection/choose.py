"""Run a selector or control by name: the one door, where what goes in and comes out is checked.

Rows are sorted by id before a selector sees them, so the order in which a pool is stored never matters.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from winnow.errors import DataError, RecipeError
from winnow.selection import registry
from winnow.selection.views import FeatureView, IntArray, PoolView, check_finite, id_order


def choose(
    name: str,
    pool: PoolView,
    *,
    size: int | None = None,
    features: FeatureView | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> IntArray:
    """The rows that a selector chooses, best first: `size` of them, or its own number where it takes no fraction.

    Raises RecipeError for a wrong name, option or size, DataError for features that are not finite.
    """
    found = registry.find_selector(name)
    checked = registry.check(name, options or {})
    wanted = _wanted(found, size, len(pool))
    if found.traits.needs_features and features is None:
        raise RecipeError(f"{name} needs features and there are none; give it the `features` stage as input")
    order = id_order(pool.ids)
    picked = found.order(
        _sorted_pool(pool, order),
        size=wanted,
        features=_sorted_features(features, order) if found.traits.needs_features else None,
        options=checked,
        rng=generator(name, seed),
    )
    if not found.traits.takes_fraction:
        wanted = len(picked)
    return order[_checked(name, picked[:wanted], wanted, len(pool))]


def match(
    name: str, reference: IntArray, pool: PoolView, *, options: Mapping[str, Any] | None = None, seed: int = 0
) -> IntArray:
    """The rows that a control draws to match `reference`, another arm's rows. Raises RecipeError, DataError."""
    found = registry.find_control(name)
    checked = registry.check(name, options or {})
    if not len(reference):
        raise DataError(f"{name} has an empty selection to match; it needs at least one row")
    order = id_order(pool.ids)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    rows, rng = np.sort(position[reference]), generator(name, seed)
    drawn = found.draw(rows, _sorted_pool(pool, order), options=checked, rng=rng)
    return order[_checked(name, drawn, len(reference), len(pool))]


def generator(name: str, seed: int) -> np.random.Generator:
    """Random numbers of a seed, different for each name: arms of one seed must not share their draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _wanted(found: registry.Selector, size: int | None, pool_size: int) -> int:
    name = found.traits.name
    if not found.traits.takes_fraction:
        if size not in (None, pool_size):
            raise RecipeError(f"{name} brings its own size and was asked for {size} rows; leave its fraction out")
        return pool_size
    if size is None:
        raise RecipeError(f"{name} has no fraction; give its arm one in (0, 1]")
    if not 1 <= size <= pool_size:
        raise RecipeError(f"{name} was asked for {size} of {pool_size} candidates; choose a fraction that fits")
    return size


def _sorted_pool(pool: PoolView, order: IntArray) -> PoolView:
    return pool if _is_sorted(order) else pool.take(order)


def _sorted_features(features: FeatureView | None, order: IntArray) -> FeatureView:
    assert features is not None and len(features.rows) == len(order), "one feature row per candidate"
    rows = features.rows if _is_sorted(order) else features.rows[order]
    check_finite(rows, "the features")
    if features.target is not None:
        check_finite(features.target, "the target's features")
    return FeatureView(rows, features.target)


def _is_sorted(order: IntArray) -> bool:
    return bool(np.all(order[1:] > order[:-1]))


def _checked(name: str, rows: IntArray, size: int, pool_size: int) -> IntArray:
    """The rows as they came, if they keep what a selector promises; other packages' selectors pass here too."""
    picked = np.asarray(rows, dtype=np.int64)
    if len(picked) != size or len(np.unique(picked)) != size or size == 0:
        raise DataError(f"{name} gave {len(np.unique(picked))} distinct rows where {max(size, 1)} were asked for")
    if picked.min() < 0 or picked.max() >= pool_size:
        raise DataError(f"{name} gave a row outside the pool of {pool_size}")
    return picked
