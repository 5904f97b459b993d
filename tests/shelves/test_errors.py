"""What users are told: one line that can be printed, whatever was found, with the nearest known word."""

import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from winnow.errors import (
    LONGEST,
    MOST_SHOWN,
    MistakesError,
    RecipeError,
    WinnowError,
    nearest,
    one_line,
    refused,
    shown,
    visible,
)

light = settings(max_examples=80, deadline=None)
everything = st.text(st.characters(), max_size=40)


@light
@example("\ud800\x00\x1b[31m\u202e")
@given(everything)
def test_a_message_is_one_printable_line(text):
    for error in (WinnowError(text), refused([text]), refused([text, text + "x"])):
        assert all(line.isprintable() for line in error.lines) and "\n" not in "".join(error.lines)
    assert visible(text).isprintable() and visible(visible(text)) == visible(text)


@light
@given(everything.filter(str.isprintable))
def test_what_can_be_printed_stays_as_it_is(text):
    assert visible(text) == text


@light
@given(st.integers(0, 3 * LONGEST))
def test_a_long_message_keeps_its_head_and_its_end(length):
    text = "head" + "x" * length + "tail"
    line = one_line(text)
    assert line.startswith("head") and line.endswith("tail") and len(line) <= LONGEST
    assert (line == text) == (len(text) <= LONGEST)


def test_one_mistake_is_itself_and_several_are_counted_each_once():
    assert type(refused(["a", "a"])) is RecipeError and refused(["a", "a"]).lines == ("a",)
    several = refused(["b", "a", "b"], "x.yaml")
    assert isinstance(several, MistakesError) and several.lines == ("2 mistakes in x.yaml:", "  b", "  a")
    assert several.mistakes == ("b", "a") and str(several) == "2 mistakes in x.yaml:\n  b\n  a"


@pytest.mark.parametrize("num", [MOST_SHOWN, MOST_SHOWN + 1, MOST_SHOWN + 20])
def test_very_many_mistakes_are_counted_and_so_many_shown(num):
    error = refused([f"mistake {place}" for place in range(num)])
    assert error.lines[0].startswith(f"{num} mistakes") and len(error.mistakes) == num
    assert ("more" in error.lines[-1]) == (num > MOST_SHOWN)
    assert error.lines[-1] in (f"  mistake {num - 1}", f"  and {num - MOST_SHOWN} more")


@pytest.mark.parametrize("error", [RecipeError("a"), refused(["a", "b"], "y.yaml")])
def test_errors_cross_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and again.lines == error.lines


@pytest.mark.parametrize(("value", "said"), [
    ("x", "'x'"), (1.5, "1.5"), (None, "None"), ([1, "a"], "[1, 'a']"), (np.zeros(3), "of type ndarray"),
    (object(), "of type object"), pytest.param(10**5000, "of type int", id="endless"), (True, "True"),
])  # fmt: skip
def test_a_value_is_shown_shortly(value, said):
    assert shown(value) == said


@light
@given(st.one_of(everything, st.lists(everything, max_size=30), st.dictionaries(everything, everything, max_size=9)))
def test_no_value_makes_a_long_message(value):
    assert len(shown(value)) < LONGEST


@pytest.mark.parametrize(("word", "hint"), [
    ("sed", " (did you mean 'seed'?)"), ("seed", " (did you mean 'seed'?)"),
    ("fractoin", " (did you mean 'fraction'?)"),
    ("zzz", ""), ("", ""), (3, ""), (None, ""), pytest.param("seed" * 100_000, "", id="endless"),
])  # fmt: skip
def test_the_nearest_word_is_named_where_one_is_near(word, hint):
    assert nearest(word, ["seed", "fraction", 3, None]) == hint
