"""Templates of rows, options of parts and words of metrics: small grammars, held against Python's own."""

from string import Formatter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import Field

from winnow.errors import RecipeError
from winnow.metrics import HIGHER, LOWER, METRICS, direction
from winnow.recipe.options import NoOptions, checked_options
from winnow.recipe.row_templates import columns_of, parse_template
from winnow.recipe.values import Frozen

light = settings(max_examples=150, deadline=None)
columns = st.sampled_from(["question", "a b", "größe", "x.y", "0"])
plain = st.text("ab {}\n", max_size=8)


def filled(template, row):
    return "".join(said + ("" if name is None else row[name]) for said, name in parse_template(template))


@light
@given(st.lists(st.tuples(plain, columns), max_size=5), plain)
def test_what_is_written_with_doubled_braces_comes_back(pieces, end):
    row = {name: f"<{name}>" for name in ("question", "a b", "größe", "x.y", "0")}
    doubled = [text.replace("{", "{{").replace("}", "}}") for text in (*(text for text, _ in pieces), end)]
    template = "".join(f"{text}{{{name}}}" for text, (_, name) in zip(doubled, pieces, strict=False)) + doubled[-1]
    assume("}}}" not in template and "{{{" not in template)  # read from the left, as Python does
    assert filled(template, row) == "".join(f"{text}<{name}>" for text, name in pieces) + end
    assert columns_of(template) == tuple(dict.fromkeys(name for _, name in pieces))


@light
@given(st.text("a{} ", max_size=10))
def test_a_template_is_read_as_python_reads_it_or_refused(template):
    try:
        parsed = [(said, name) for said, name, *_ in Formatter().parse(template)]
    except ValueError:
        parsed = None
    try:
        pieces = parse_template(template)
    except ValueError as error:
        assert parsed is None or any(not (name or "").strip() or "{" in name for _, name in parsed if name is not None)
        assert "at character" in str(error)
        return
    assert parsed is not None, template
    assert columns_of(template) == tuple(dict.fromkeys(name for _, name in parsed if name is not None))
    assert "".join(said for said, _ in pieces) == "".join(said for said, _ in parsed)


@pytest.mark.parametrize(("template", "said"), [
    ("a {", "has a lone { at character 3"), ("a }b", "has a lone } at character 3"), ("{}", "names no column in {} at"),
    ("x{ }", "names no column in {} at character 2"), ("{{a}", "has a lone } at character 4"),
])  # fmt: skip
def test_a_brace_that_means_nothing_is_named_by_its_place(template, said):
    with pytest.raises(ValueError) as error:
        parse_template(template)
    assert str(error.value).startswith(said)


class Options(Frozen):
    """Of a toy part."""

    layer: int = Field(ge=0)
    share: float = 0.5


def checked(options, model=Options):
    return checked_options("near", model, options, write="{near: {KEY: ...}}")


def test_options_are_checked_and_have_their_defaults():
    assert checked({"layer": 3}) == Options(layer=3, share=0.5) and checked({}, NoOptions) == NoOptions()


@pytest.mark.parametrize(("options", "lines"), [
    ({}, ["option layer of near is missing; write {near: {layer: ...}}"]),
    ({"layer": 1, "shar": 1}, ["unknown option shar of near (did you mean 'share'?); known: layer, share"]),
    ({"layer": -1}, ["option layer of near is -1; input should be greater than or equal to 0"]),
    ({"share": "x", "layer": 1}, ["option share of near is 'x'; input should be a valid number"]),
    ({"zzz": 1}, ["option layer of near is missing", "unknown option zzz of near; known: layer, share"]),
])  # fmt: skip
def test_all_mistakes_of_options_are_told_at_once(options, lines):
    with pytest.raises(RecipeError) as error:
        checked(options)
    assert len(error.value.mistakes) == len(lines)
    assert all(found.startswith(line) for found, line in zip(error.value.mistakes, lines, strict=True))


def test_a_part_without_options_says_that_it_has_none():
    with pytest.raises(RecipeError, match=r"^unknown option layer of near; known: none$"):
        checked({"layer": 1}, NoOptions)


@pytest.mark.parametrize(("name", "higher"), [
    ("eval/accuracy", True), ("val_loss", False), ("F1", True), ("token-error", False), ("rmse@10", False),
    ("classes", None), ("glossary", None), ("accuracy_loss", None), ("reward", True), ("", None), ("bpb", False),
])  # fmt: skip
def test_a_whole_word_of_a_name_says_which_way_is_better(name, higher):
    assert direction(name) is higher
    assert direction(name, True) is True and direction(name, False) is False, "what is asked goes first"


def test_no_word_says_both_and_known_metrics_agree_with_their_words():
    assert not LOWER & HIGHER
    for name, metric in METRICS.items():
        words = set(name.replace("@", "_").split("_"))
        assert not words & LOWER or not metric.higher_is_better, name
        assert not words & HIGHER or metric.higher_is_better, name
