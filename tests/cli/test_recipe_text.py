"""What `winnow init` writes YAML reads back as it was, and names of levels tell them apart."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from winnow.errors import RecipeError
from winnow.recipe.values import Name
from winnow.recipe.varying import VaryRecipe, level_name
from winnow.recipe.yaml import parse_yaml
from winnow.verbs.recipe_text import _scalar, name_of, reading

light = settings(max_examples=100, deadline=None)
texts = st.text(max_size=12)
NAME, VARY = TypeAdapter(Name), TypeAdapter(VaryRecipe)


@light
@example(".5")
@example("-.inf")
@example("_")
@example("...")
@example("a\x85b")
@example("a\u2028b")
@example("Null")
@example("1_000")
@example("a: b # c, {d}")
@given(texts)
def test_a_text_is_read_back_as_it_was_or_refused_in_one_line(text):
    for written in (f"{{a: {_scalar(text)}, b: 1}}", f"{{a: {_scalar({'k': text})}, b: 1}}"):
        try:
            value = parse_yaml(written, "the recipe")
        except RecipeError as error:
            assert not text.isprintable() and "\n" not in str(error), text
        else:
            assert value in ({"a": text, "b": 1}, {"a": {"k": text}, "b": 1})


@light
@given(st.one_of(st.booleans(), st.none(), st.integers(-(10**9), 10**9), st.floats(1e-9, 1e9)))
def test_numbers_and_truths_are_read_back(value):
    assert parse_yaml(f"{{a: {_scalar(value)}}}", "x")["a"] == value


@pytest.mark.parametrize("word", ["true", "NO", "off", "~", ".NaN", "null", "1", "-1", "1e3", ".5", "0x1f", ""])
def test_what_yaml_takes_for_something_else_stands_in_quotes(word):
    assert _scalar(word) == f'"{word}"'


@pytest.mark.parametrize("word", ["./mine.jsonl", "../a/b.parquet", "/data/x-1.jsonl", "question", "model_1"])
def test_paths_and_columns_stand_plain(word):
    assert _scalar(word) == word


@light
@given(st.text(max_size=30).filter(lambda text: "\0" not in text and "/" not in text))
def test_a_files_name_makes_a_name_that_a_source_may_have(stem):
    made = name_of(f"/data/somewhere/{stem}.jsonl")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", made) and made[0] not in "_-"
    assert NAME.validate_python(made) == made


@pytest.mark.parametrize(("path", "name"), [
    ("/a/chemistry/train.jsonl", "chemistry"), ("/a/chemistry/Train.parquet", "chemistry"),
    ("/a/b/mine.v2.jsonl", "mine"),
    ("/a/b/größe 1.jsonl", "gr_e_1"), ("/a/b/---.jsonl", "data"), ("/train.jsonl", "train"),
])  # fmt: skip
def test_a_name_that_says_nothing_gives_way_to_its_folders(path, name):
    assert name_of(path) == name


@pytest.mark.parametrize(("given", "said"), [
    ({"format": "alpaca", "limit": 3}, "format alpaca"),
    ({"fields": {"prompt": "q", "completion": "a"}}, "columns prompt = q, completion = a"),
    ({"prompt": "{q}\n", "completion": "{a}"}, "prompt '{q}\\n', completion '{a}'"),
])  # fmt: skip
def test_how_a_file_is_read_is_said_in_a_clause(given, said):
    assert reading(given) == said


numbers = st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False, width=32))


@light
@example(1, 1.5)
@example(1e15, 1e15 + 2)
@example(1e-5, 1e5)
@given(numbers, numbers)
def test_levels_of_one_key_have_one_name_where_they_are_one_number(one, other):
    names = level_name("rate", one), level_name("rate", other)
    assert (names[0] == names[1]) == (float(one) == float(other))
    assert all(NAME.validate_python(name) == name for name in names)


@pytest.mark.parametrize(("value", "name"), [
    (2, "rate2"), (2.0, "rate2"), (2e-4, "rate0.0002"), (1e-5, "rate1e-05"), (True, "ratetrue"), (None, "ratenone"),
    ("lora", "lora"), ("all-linear", "all-linear"), ("a b", None), ("", None), ([1, 2], None), ({"a": 1}, None),
    pytest.param(10**400, None, id="endless"), pytest.param(-(10**400), None, id="endless below"),
])  # fmt: skip
def test_a_level_is_named_by_its_value_or_not_at_all(value, name):
    assert level_name("rate", value) == name


def test_a_number_that_no_float_holds_is_refused_in_words():
    with pytest.raises(ValidationError, match="which makes no name"):
        VARY.validate_python({"size": {"budget.tokens": [10**400]}})


@pytest.mark.parametrize(("vary", "made"), [
    ({"e": {"budget.pool_epochs": [1, 2.0]}}, {"e1": {"budget.pool_epochs": 1}, "e2": {"budget.pool_epochs": 2.0}}),
    ({"e": {"low": {"training": {"lora.r": 4}}}}, {"low": {"training.lora.r": 4}}),
    ({"e": {"web": {"mixture": {"shares": {"a": 1}}}}}, {"web": {"mixture": {"shares": {"a": 1}}}}),
])  # fmt: skip
def test_settings_become_dotted_keys_and_a_mixture_stays_whole(vary, made):
    assert VARY.validate_python(vary)["e"] == made


@pytest.mark.parametrize(("first", "second", "collide"), [
    ({"training.lora.r": 4}, {"training.lora": {"r": 8}}, True), ({"training.lora.r": 4}, {"training.lora.r": 8}, True),
    ({"budget.tokens": 10}, {"budget.examples": 10}, True), ({"training.lora.r": 4}, {"training.lora.ra": 8}, False),
    ({"training.method": "full"}, {"budget.tokens": 10}, False), ({"mixture": "a"}, {"mixture.name": "b"}, True),
])  # fmt: skip
def test_two_factors_never_set_the_same_thing(first, second, collide):
    vary = {"one": {"a": first}, "two": {"b": second}}
    if collide:
        with pytest.raises(ValidationError, match=r"vary\.one and vary\.two both set"):
            VARY.validate_python(vary)
    else:
        assert set(VARY.validate_python(vary)) == {"one", "two"}
