"""What every selector and control promises; a new one is tested here by being registered."""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from winnow.errors import DataError
from winnow.selection import registry
from winnow.selection.choose import choose, match
from winnow.selection.views import FeatureView, PoolView

ALL = sorted(registry.traits())
SELECTORS = [name for name in ALL if not registry.traits()[name].is_control]
SIZED = [name for name in SELECTORS if registry.traits()[name].takes_fraction]
CONTROLS = [name for name in ALL if registry.traits()[name].is_control]
WITH_FEATURES = [name for name in SELECTORS if registry.traits()[name].needs_features]


def make_pool(size=90, seed=1):
    rng = np.random.default_rng(seed)
    ids = [f"id{number:04d}" for number in rng.permutation(10 * size)[:size]]
    sources = rng.choice(["alpha", "beta", "gamma"], size=size, p=[0.6, 0.3, 0.1])
    return PoolView(ids, sources, rng.integers(5, 200, size)), rng.standard_normal((size, 16)).astype(np.float32)


@pytest.fixture
def run(tmp_path):
    """Chosen ids of a selector or control; `size` is ignored where it brings its own."""

    def ids_of(name, pool, rows, *, size=20, seed=3):
        if name in CONTROLS:
            reference = np.argsort(pool.ids)[: min(size, len(pool))]
            return [pool.ids[row] for row in match(name, reference, pool, seed=seed)]
        options = {}
        if name == "ids":
            (tmp_path / "chosen.txt").write_text("\n".join(sorted(pool.ids)[:7]))
            options = {"path": str(tmp_path / "chosen.txt")}
        asked = size if registry.traits()[name].takes_fraction else None
        chosen = choose(name, pool, size=asked, features=FeatureView(rows), options=options, seed=seed)
        return [pool.ids[row] for row in chosen]

    return ids_of


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_rows_and_another_seed_other_rows_only_if_random(name, run):
    pool, rows = make_pool()
    first = run(name, pool, rows)
    assert run(name, pool, rows) == first
    assert (set(run(name, pool, rows, seed=4)) != set(first)) == registry.traits()[name].is_random


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [1, 20, 90])
def test_exact_size_and_distinct_rows_of_the_pool(name, size, run):
    pool, rows = make_pool()
    chosen = run(name, pool, rows, size=size)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(pool.ids)
    if name in SIZED + CONTROLS:
        assert len(chosen) == size


@pytest.mark.parametrize("name", SIZED)
def test_a_smaller_selection_is_a_prefix_of_a_larger_one(name, run):
    pool, rows = make_pool()
    whole = run(name, pool, rows, size=90)
    for size in (1, 2, 9, 45):
        assert run(name, pool, rows, size=size) == whole[:size]


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_the_rows_does_not_matter(name, run):
    pool, rows = make_pool()
    shuffle = np.random.default_rng(0).permutation(len(pool))
    assert run(name, pool.take(shuffle), rows[shuffle]) == run(name, pool, rows)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["constant", "zero", "copies"])
def test_degenerate_features_still_give_distinct_rows(name, kind, run):
    pool, rows = make_pool()
    rows = {"constant": np.ones_like(rows), "zero": np.zeros_like(rows), "copies": rows[np.arange(90) % 3]}[kind]
    chosen = run(name, pool, rows, size=60)
    assert len(set(chosen)) == len(chosen)
    assert run(name, pool, rows, size=60) == chosen


@pytest.mark.parametrize("name", ALL)
def test_one_row(name, run):
    pool, rows = make_pool(1)
    assert run(name, pool, rows, size=1) == pool.ids


@pytest.mark.parametrize("name", WITH_FEATURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(name, bad, run):
    pool, rows = make_pool()
    rows[5, 3] = bad
    with pytest.raises(DataError, match=r"NaN or infinity.*row"):
        run(name, pool, rows)


@pytest.mark.parametrize("name", ALL)
def test_nothing_changes_what_was_passed_in(name, run):
    pool, rows = make_pool()
    before = (list(pool.ids), pool.sources.copy(), pool.tokens.copy(), rows.copy())
    run(name, pool, rows)
    assert before[0] == pool.ids
    assert all(np.array_equal(a, b) for a, b in zip(before[1:], (pool.sources, pool.tokens, rows), strict=True))


@pytest.mark.parametrize("name", ALL)
def test_the_interface_has_no_way_to_evaluation_data(name):
    found = registry.find_control(name).draw if name in CONTROLS else registry.find_selector(name).order
    seen = {"reference", "pool"} if name in CONTROLS else {"pool", "size", "features"}
    assert set(inspect.signature(found).parameters) == seen | {"options", "rng"}
    assert [field.name for field in fields(PoolView)] == ["ids", "sources", "tokens"]
    assert [field.name for field in fields(FeatureView)] == ["rows", "target"]


@pytest.mark.parametrize("name", ALL)
def test_it_says_in_one_line_what_it_is(name):
    summary = registry.traits()[name].summary
    assert summary.endswith(".") and len(summary) < 80


def test_full_gives_everything_in_the_order_of_ids(run):
    pool, rows = make_pool()
    assert run("full", pool, rows) == sorted(pool.ids)
