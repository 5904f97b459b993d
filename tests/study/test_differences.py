"""The first difference between two studies: none where they are the same, else one that is really there."""

from copy import deepcopy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from winnow.study.identity import _first_difference

light = settings(max_examples=100, deadline=None)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b"]))
keys = st.sampled_from("abc")
trees = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))
)


def without_nothing(tree):
    """What a study does not say and what it says is null are one."""
    if isinstance(tree, dict):
        return {key: without_nothing(value) for key, value in tree.items() if value is not None}
    return [without_nothing(value) for value in tree] if isinstance(tree, list) else tree


@light
@example({"a": None}, {})
@example([1], [1, 2])
@example({"a": 1}, {"a": True})
@given(trees, trees)
def test_two_trees_differ_where_they_are_not_the_same(old, new):
    difference = _first_difference(old, new, "x")
    assert (difference is None) == (without_nothing(old) == without_nothing(new))
    assert _first_difference(old, deepcopy(old), "x") is None
    assert (_first_difference(new, old, "x") is None) == (difference is None)


@light
@given(st.dictionaries(keys, st.dictionaries(keys, st.integers(0, 3), min_size=1), min_size=1), st.data())
def test_the_place_that_is_named_is_the_one_that_was_changed(old, data):
    section = data.draw(st.sampled_from(sorted(old)))
    key = data.draw(st.sampled_from(sorted(old[section])))
    new = deepcopy(old)
    new[section][key] += 7
    was = old[section][key]
    assert _first_difference(old, new, "") == f"{section}.{key} ({was} there, {was + 7} here)"


@pytest.mark.parametrize(("old", "new", "said"), [
    ({"pool": {"sample": 10}}, {"pool": {}}, "pool.sample (10 there, nothing here)"),
    ({"pool": {}}, {"pool": {"sample": 10}}, "pool.sample (nothing there, 10 here)"),
    ({"s": [{"n": 1}, {"n": 2}]}, {"s": [{"n": 1}, {"n": 3}]}, "s[1].n (2 there, 3 here)"),
    ({"s": [1]}, {"s": [1, 2]}, "s ([1] there, [1, 2] here)"),
    ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "a (1 there, 2 here)"),
    ({"a": "x" * 99}, {"a": 1}, f"a ({'x' * 57}... there, 1 here)"),
])  # fmt: skip
def test_differences_are_said_in_a_few_words(old, new, said):
    assert _first_difference(old, new, "") == said
