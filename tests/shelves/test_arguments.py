"""Arguments of the Python API: checked by their annotations, with one line that says which and what is allowed."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.errors import DataError, RecipeError
from winnow.recipe.arguments import AnyPath, Count, FolderPath, Fraction, Seed, Text, Truth, checks_arguments

light = settings(max_examples=60, deadline=None)


@checks_arguments(RecipeError)
def choose(
    rows, *, fraction: Fraction | None = None, seed: Seed = 0, num: Count = 1, is_fast: Truth = False, name: Text = "a"
):
    """What came through the checks."""
    return rows, fraction, seed, num, is_fast, name


@checks_arguments(DataError)
def place(path: AnyPath, folder: FolderPath = "."):
    return path, folder


@light
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_fraction_is_taken_exactly_where_it_lies_in_its_bounds(fraction):
    if 0 < fraction <= 1:
        assert choose([], fraction=fraction)[1] == choose([], fraction=np.float64(fraction))[1] == fraction
    else:
        with pytest.raises(RecipeError, match=r"^fraction is .*; it must lie in \(0, 1\]$"):
            choose([], fraction=fraction)


@light
@given(st.one_of(st.integers(-5, 5), st.integers(2**62, 2**64), st.floats(-4, 4).map(lambda each: round(each, 1))))
def test_whole_numbers_may_be_spelled_as_floats_and_nothing_is_rounded(seed):
    if float(seed).is_integer() and 0 <= seed < 2**63:
        found = choose([], seed=seed)[2]
        assert found == seed and type(found) is int
    else:
        with pytest.raises(RecipeError, match=r"^seed is .*; it must be a whole number from 0 to 2\*\*63 - 1$"):
            choose([], seed=seed)


@pytest.mark.parametrize(("given_", "said"), [
    ({"seed": True}, "seed is True; it must be a whole number"),
    ({"num": 0}, "num is 0; it must be a whole number, 1 or"),
    ({"is_fast": 1}, "is_fast is 1; it must be True or False"),
    ({"fraction": "0.5"}, "fraction is '0.5'; it must lie in"),
    ({"name": ""}, "name is ''; it must be text, and not empty"), ({"name": "a\0"}, "(it holds a NUL character)"),
    ({"name": "\ud800"}, "name is "),
    ({"sed": 1}, "choose has no argument 'sed' (did you mean 'seed'?); it takes rows, "),
    ({"rows": 1}, "choose: multiple values for argument 'rows'; it takes rows, fraction"),
])  # fmt: skip
def test_what_is_wrong_is_named_in_one_line(given_, said):
    with pytest.raises(RecipeError) as error:
        choose([], **given_)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_is_missing_is_named_with_what_there_is():
    with pytest.raises(DataError, match=r"^place: missing a required argument: 'path'; it takes path, folder$"):
        place()


def test_what_has_no_annotation_and_what_is_not_given_is_left_alone():
    rows = object()
    assert choose(rows) == (rows, None, 0, 1, False, "a") and choose(rows, fraction=None)[1] is None


def test_help_shows_plain_types():
    shown = inspect.signature(choose)
    assert shown.parameters["seed"].annotation is int and shown.parameters["fraction"].annotation == float | None
    assert choose.__doc__ == "What came through the checks."


def test_paths_are_what_a_file_system_takes(tmp_path):
    for good in ("a", Path("a"), "ä" * 127, tmp_path / "new" / "er"):
        assert place(good, folder=tmp_path)[0] == good
    for bad in ("", "a\0", "ä" * 128, "a/" * 2048):
        with pytest.raises(DataError, match=r"^path is .*; it must be a path, as text or a Path \("):
            place(bad)


def test_a_folder_may_be_new_and_never_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    assert place("a", folder=tmp_path / "x" / "y")[1] == tmp_path / "x" / "y"
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"can be made \(something else is there\)$"):
            place("a", folder=str(taken))
    assert not (tmp_path / "x").exists(), "checking makes nothing"
