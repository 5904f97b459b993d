import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import winnow.registry
from winnow.errors import DataError, RecipeError
from winnow.selection import registry
from winnow.selection.choose import choose, match


@pytest.fixture
def own_registry(monkeypatch):
    """Whatever a test registers is gone after it."""
    registry.traits()
    monkeypatch.setattr(registry.REGISTRY, "parts", dict(registry.REGISTRY.parts))


def test_traits_of_the_built_in_ones():
    traits = registry.traits()
    assert set(registry.BUILT_IN) <= set(traits)
    assert [name for name, each in traits.items() if each.is_control] == [
        "length_matched", "random_plus_target", "source_matched",
    ]  # fmt: skip
    assert [name for name, each in traits.items() if not each.takes_fraction] == ["full", "ids"]
    assert {name for name, each in traits.items() if "scores" in each.needs} == {
        "top_k", "bottom_k", "band", "stratified", "score_gated_herding",
    }  # fmt: skip
    assert [name for name, each in traits.items() if "counts" in each.needs] == ["dsir"]
    assert {name for name, each in traits.items() if each.target == "required"} == {
        "rds_round_robin", "gradient_round_robin", "source_shares", "cluster_shares", "density_ratio", "dsir",
    }  # fmt: skip


def test_a_name_can_be_taken_once(own_registry):
    with pytest.raises(RecipeError, match="'random' is taken"):
        registry.selector("random", summary="Another one.")(lambda pool, **rest: np.arange(len(pool)))


def test_an_unknown_name_gets_the_nearest_and_all_known():
    with pytest.raises(RecipeError, match=r"unknown selector 'hurding' \(did you mean 'herding'\?\); known: .*random"):
        registry.find_selector("hurding")


def test_options_are_checked_in_one_line():
    assert registry.check("herding", {"window": 2}).window == 2
    with pytest.raises(RecipeError, match=r"unknown option windw of herding \(did you mean 'window'\?\)"):
        registry.check("herding", {"windw": 2})
    with pytest.raises(RecipeError, match="option window of herding is 0; input should be greater than 0"):
        registry.check("herding", {"window": 0})
    with pytest.raises(RecipeError, match="option path of ids is missing"):
        registry.check("ids", {})
    with pytest.raises(RecipeError, match="unknown option x of equal_shares; known: none"):
        registry.check("equal_shares", {"x": 1})


def test_selectors_and_controls_are_not_mistaken_for_each_other(pool):
    with pytest.raises(RecipeError, match="source_matched is a control"):
        choose("source_matched", pool, size=3)
    with pytest.raises(RecipeError, match="random is a selector"):
        match("random", np.arange(3), pool)


def test_another_package_joins_by_entry_point(own_registry, monkeypatch, tmp_path, pool):
    (tmp_path / "winnow_first.py").write_text(
        "import numpy as np\nfrom winnow.selection.registry import selector\n"
        "@selector('first', summary='The first rows.')\n"
        "def order(pool, *, size, seen, options, rng): return np.arange(size)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("first", "winnow_first", registry.GROUP)
    monkeypatch.setattr(winnow.registry, "entry_points", lambda group: [entry])
    monkeypatch.setattr(registry.REGISTRY, "_has_joined", False)
    assert [pool.ids[row] for row in choose("first", pool, size=2).rows] == ["row000", "row001"]


def test_a_package_that_cannot_be_loaded_is_named(own_registry, monkeypatch):
    monkeypatch.setattr(
        winnow.registry, "entry_points", lambda group: [EntryPoint("x", "no_such_module", registry.GROUP)]
    )
    monkeypatch.setattr(registry.REGISTRY, "_has_joined", False)
    for _ in range(2):
        with pytest.raises(RecipeError, match="no_such_module"):
            registry.traits()


@pytest.mark.parametrize(
    ("rows", "problem"), [([0, 0, 1], "2 distinct"), ([0, 1], "2 distinct"), ([0, 1, 999], "outside")]
)
def test_a_selector_that_breaks_its_promise_is_named(own_registry, pool, rows, problem):
    registry.selector("broken", summary="Wrong.")(lambda pool, **rest: np.array(rows))
    with pytest.raises(DataError, match=f"broken gave .*{problem}"):
        choose("broken", pool, size=3)


def test_sizes_that_do_not_fit_are_refused(pool):
    with pytest.raises(RecipeError, match="201 of 200 candidates"):
        choose("random", pool, size=201)
    with pytest.raises(RecipeError, match="random has no fraction"):
        choose("random", pool)
    with pytest.raises(RecipeError, match="full brings its own size"):
        choose("full", pool, size=3)
    with pytest.raises(RecipeError, match="herding needs features"):
        choose("herding", pool, size=3)


def test_an_id_that_stands_twice_is_refused(pool):
    twice = pool.take(np.array([0, 1, 1, 2]))
    with pytest.raises(DataError, match=f"stand twice in the pool .such as {pool.ids[1]}"):
        choose("random", twice, size=2)


@pytest.mark.slow
def test_traits_need_no_torch():
    code = "import sys; from winnow.selection.registry import traits; traits(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
