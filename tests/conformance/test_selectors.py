"""What every selector and control promises; a new one is tested here by being registered.

A selector that gives sets is exempt from being nested, one that brings its own size from exact sizes.
"""

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from conformance.made import make_pool
from winnow.errors import DataError
from winnow.selection import registry
from winnow.selection.choose import choose, match
from winnow.selection.views import PoolView, Seen, TargetSample

TRAITS = registry.traits()
ALL = sorted(TRAITS)
SELECTORS = [name for name in ALL if not TRAITS[name].is_control]
SIZED = [name for name in SELECTORS if TRAITS[name].takes_fraction]
NESTED = [name for name in SIZED if TRAITS[name].is_nested]
CONTROLS = [name for name in ALL if TRAITS[name].is_control]
SEEING = [(name, part) for name in SELECTORS for part in registry.needs(name, {})]


def degenerate(kind, seen):
    """The same views with rows that are all alike, all zero, or copies of three."""
    three = np.arange(len(seen.scores)) % 3
    if kind == "copies":
        return seen.take(three)
    factor, shift = (0, 0) if kind == "zero" else (0, 1)
    changed = {name: getattr(seen, name) * factor + shift for name in ("vectors", "features", "scores")}
    counts = csr_array(np.full(seen.counts.shape, shift, dtype=np.float32))
    return replace(seen, **changed, counts=counts)


@pytest.fixture
def run(tmp_path):
    """Chosen ids of a selector or control; `size` is ignored where it brings its own."""

    def ids_of(name, pool, seen, *, size=20, seed=3):
        if name in CONTROLS:
            reference = np.argsort(pool.ids)[: min(size, len(pool))]
            return [pool.ids[row] for row in match(name, reference, pool, seed=seed)]
        options = {}
        if name == "ids":
            (tmp_path / "chosen.txt").write_text("\n".join(sorted(pool.ids)[:7]))
            options = {"path": str(tmp_path / "chosen.txt")}
        asked = size if TRAITS[name].takes_fraction else None
        chosen = choose(name, pool, size=asked, seen=seen, options=options, seed=seed)
        return [pool.ids[row] for row in chosen.rows]

    return ids_of


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_rows_and_another_seed_other_rows_only_if_random(name, run):
    pool, seen = make_pool()
    first = run(name, pool, seen)
    assert run(name, pool, seen) == first
    assert (set(run(name, pool, seen, seed=4)) != set(first)) == TRAITS[name].is_random


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [1, 20, 90])
def test_exact_size_and_distinct_rows_of_the_pool(name, size, run):
    pool, seen = make_pool()
    chosen = run(name, pool, seen, size=size)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(pool.ids)
    if name in SIZED + CONTROLS:
        assert len(chosen) == size


@pytest.mark.parametrize("name", NESTED)
def test_a_smaller_selection_is_a_prefix_of_a_larger_one(name, run):
    pool, seen = make_pool()
    whole = run(name, pool, seen, size=90)
    for size in (1, 2, 9, 45):
        assert run(name, pool, seen, size=size) == whole[:size]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["usual", "constant", "copies"])
def test_the_order_of_the_rows_does_not_matter_not_even_where_rows_tie(name, kind, run):
    pool, seen = make_pool()
    seen = seen if kind == "usual" else degenerate(kind, seen)
    shuffle = np.random.default_rng(0).permutation(len(pool))
    assert run(name, pool.take(shuffle), seen.take(shuffle)) == run(name, pool, seen)


def test_only_sets_and_controls_are_exempt_from_being_nested():
    exempt = {name for name in registry.BUILT_IN if name not in NESTED}
    assert exempt == {"full", "ids"} | (set(CONTROLS) & set(registry.BUILT_IN))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["constant", "zero", "copies"])
def test_degenerate_features_still_give_distinct_rows(name, kind, run):
    pool, seen = make_pool()
    seen = degenerate(kind, seen)
    chosen = run(name, pool, seen, size=60)
    assert len(set(chosen)) == len(chosen)
    assert run(name, pool, seen, size=60) == chosen


@pytest.mark.parametrize("name", ALL)
def test_one_row(name, run):
    pool, seen = make_pool(1)
    assert run(name, pool, seen, size=1) == pool.ids


@pytest.mark.parametrize(("name", "part"), SEEING)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(name, part, bad, run):
    pool, seen = make_pool()
    rows = getattr(seen, part).copy()
    (rows.data if part == "counts" else rows.reshape(-1))[5] = bad
    with pytest.raises(DataError, match=r"NaN or infinity.*row"):
        run(name, pool, replace(seen, **{part: rows}))


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_a_token_budget_is_met_within_one_example(name, share):
    pool, seen = make_pool()
    tokens = int(share * pool.tokens.sum())
    chosen = choose(name, pool, tokens=tokens, seen=seen, seed=3).rows
    held = pool.tokens[chosen]
    assert held.sum() - held[-1] < tokens <= held.sum()
    assert np.array_equal(chosen, choose(name, pool, size=len(chosen), seen=seen, seed=3).rows)


@pytest.mark.parametrize("name", ALL)
def test_nothing_changes_what_was_passed_in(name, run):
    pool, seen = make_pool()
    before = (list(pool.ids), pool.sources.copy(), pool.tokens.copy())
    parts = {part: getattr(seen, part).copy() for part in ("vectors", "features", "scores", "counts")}
    run(name, pool, seen)
    assert before[0] == pool.ids
    assert all(np.array_equal(a, b) for a, b in zip(before[1:], (pool.sources, pool.tokens), strict=True))
    for part, rows in parts.items():
        assert (rows != getattr(seen, part)).sum() == 0


@pytest.mark.parametrize("name", ALL)
def test_the_interface_has_no_way_to_evaluation_data(name):
    found = registry.find_control(name).draw if name in CONTROLS else registry.find_selector(name).order
    seen = {"reference"} if name in CONTROLS else {"seen"}
    assert set(inspect.signature(found).parameters) == seen | {"pool", "size", "options", "rng"}
    parts = {"vectors", "features", "scores", "counts"}
    assert {field.name for field in fields(PoolView)} == {"ids", "sources", "tokens"}
    assert {field.name for field in fields(Seen)} == parts | {"target"}
    assert {field.name for field in fields(TargetSample)} == parts | {"sources"}


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_sees_only_what_it_asked_for(name, run, monkeypatch):
    pool, seen = make_pool()
    found, given = registry.find_selector(name), []

    def spy(view, **asked):
        given.append(asked["seen"])
        return found.order(view, **asked)

    monkeypatch.setitem(registry.REGISTRY.parts, name, replace(found, order=spy))
    run(name, pool, seen)
    needs = set(registry.needs(name, {}))
    assert {
        part for part in ("vectors", "features", "scores", "counts") if getattr(given[0], part) is not None
    } == needs
    assert (given[0].target is None) == (TRAITS[name].target == "none" and not TRAITS[name].wraps)


@pytest.mark.parametrize("name", SELECTORS)
def test_its_cost_is_counted_where_it_computes(name):
    found = registry.find_selector(name)
    options = registry.check(name, {"path": "x"} if name == "ids" else {})
    sizes = {"width": 64, "target_examples": 10, "options": options}
    small, large = (found.flops(pool_examples=n, size=n // 10, **sizes) for n in (1_000, 4_000))
    if TRAITS[name].needs_representation:
        assert 0 < 3 * small < large
    else:
        assert 0 <= small <= large


@pytest.mark.parametrize("name", ALL)
def test_it_says_in_one_line_what_it_is(name):
    summary = TRAITS[name].summary
    assert summary.endswith(".") and len(summary) < 80


def test_full_gives_everything_in_the_order_of_ids(run):
    pool, seen = make_pool()
    assert run("full", pool, seen) == sorted(pool.ids)
