"""What the values of a row may be, in every format: what is no text is counted or refused, and never spelled out."""

import datetime
import decimal
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

import winnow
from bad_inputs_support import assert_refuses
from winnow.pool.loading import load_examples
from winnow.recipe import SourceRecipe
from winnow.select_api.candidates import Columns, write_candidates
from winnow.select_api.given import open_rows
from winnow.select_api.shapes import find_shape, laid_out_shape
from winnow.text.cells import Unreadable, cell_text

FIELDS = {"question": "q", "answer": "a"}
IMAGE = {"type": "image_url", "image_url": {"url": "x"}}
SPELLINGS = "{", "[", "None", "nan", "True"
"""How Python spells what is no text; the good rows hold nothing like it."""


def text(said):
    return {"type": "text", "text": said}


def user(said):
    return {"role": "user", "content": said}


def assistant(said):
    return {"role": "assistant", "content": said}


@pytest.fixture
def source(tmp_path):
    """A source of these rows as Parquet where JSON has no such value; other keys go to the recipe."""

    def build(rows, **others):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return SourceRecipe(**({"name": "rows", "licence": "MIT", "path": str(path)} | others))

    return build


# ------------------------------------------------------------------------------------------- values

READ = {
    "text": ("Bob", "Bob"),
    "text that looks like a list": ("['Bob']", "['Bob']"),
    "whole number": (5, "5"),
    "large number": (10**40, "1" + "0" * 40),
    "decimal number": (51.0, "51.0"),
    "decimal": (decimal.Decimal("5.10"), "5.10"),
    "true as JSON spells it": (True, "true"),
    "false as JSON spells it": (False, "false"),
    "null": (None, ""),
    "NaN": (math.nan, ""),
    "decimal NaN": (decimal.Decimal("nan"), ""),
    "empty list": ([], ""),
    "list of null": ([None], ""),
    "list of one text": (["Bob"], "Bob"),
    "list of one number": ([5.0], "5.0"),
    "text part": ([text("hi")], "hi"),
    "two text parts": ([text("hi "), text("there")], "hi there"),
    "text parts of a response": ([{"type": "output_text", "text": "hi", "annotations": []}], "hi"),
    "text part out of a list": (text("hi"), "hi"),
    "text and text part": (["a ", text("b")], "a b"),
    "part with the columns of others": ([{"type": "text", "text": "hi", "image_url": None}], "hi"),
}
REFUSED = {
    "dict": ({"text": ["Bob"], "answer_start": [3]}, "a dict in column 'a'"),
    "dict of a text alone": ({"text": "Bob"}, "a dict in column 'a'"),
    "empty dict": ({}, "a dict in column 'a'"),
    "list of texts": (["a", "b"], "a list in column 'a'"),
    "list of numbers": ([1, 2], "a list in column 'a'"),
    "list of lists": ([["a"]], "a list in column 'a'"),
    "list of dicts": ([{"x": 1}, {"x": 2}], "a list in column 'a'"),
    "list of one dict": ([{"x": 1}], "a dict in column 'a'"),
    "bytes": (b"Bob", "bytes in column 'a'"),
    "list of bytes": ([b"Bob"], "bytes in column 'a'"),
    "infinity": (math.inf, "an infinite number in column 'a'"),
    "minus infinity": (-math.inf, "an infinite number in column 'a'"),
    "decimal infinity": (decimal.Decimal("inf"), "an infinite number in column 'a'"),
    "date": (datetime.date(2020, 1, 2), "a date in column 'a'"),
    "time stamp": (datetime.datetime(2020, 1, 2), "a datetime in column 'a'"),
    "span of time": (datetime.timedelta(1), "a timedelta in column 'a'"),
    "number beyond what is spelled": (10**5000, "a number of thousands of digits in column 'a'"),
    "image part": ([text("see"), IMAGE], "a part of type 'image_url' in column 'a'"),
    "image part alone": ([IMAGE], "a part of type 'image_url' in column 'a'"),
    "text part without text": ([{"type": "text", "text": None}], "a part of type 'text' without text in column 'a'"),
    "part of a long type": ([{"type": "x" * 99}], "a part of type 'xxx"),
    "text part beside a number": ([text("a"), 5], "an int in column 'a'"),
}


@pytest.mark.parametrize(("value", "said"), READ.values(), ids=READ)
def test_what_is_text_is_read(value, said):
    assert cell_text(value, "column 'a'") == said


@pytest.mark.parametrize(("value", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_text_has_a_reason(value, reason):
    with pytest.raises(Unreadable) as raised:
        cell_text(value, "column 'a'")
    assert raised.value.reason.startswith(reason)
    assert len(raised.value.reason) < 120


JSON_VALUES = {name: value for name, (value, _) in REFUSED.items() if name.split()[-1] not in (
    "bytes", "infinity", "date", "stamp", "time", "spelled")}  # fmt: skip


@pytest.mark.parametrize("value", JSON_VALUES.values(), ids=JSON_VALUES)
@pytest.mark.parametrize("part", ["q", "a"])
def test_such_rows_are_counted_and_the_others_stay(source, value, part):
    rows = [{"q": "How many?", "a": "5"} | {part: value}, {"q": "How far?", "a": "6"}]
    loaded = load_examples(source(rows, fields=FIELDS), {})
    assert [each.answer for each in loaded.examples] == ["6"]
    (reason,) = loaded.dropped
    assert loaded.dropped[reason] == 1 and f"in column {part!r}" in reason


@pytest.mark.parametrize("kind", [pa.binary(), pa.date32(), pa.time32("s")], ids=str)
def test_parquet_types_that_are_no_text_are_counted(tmp_path, kind):
    values = pa.array([b"Bob", None], kind) if kind == pa.binary() else pa.array([1, None], pa.int32()).cast(kind)
    pq.write_table(pa.table({"q": ["Who?", "What?"], "a": values}), tmp_path / "rows.parquet")
    source = SourceRecipe(name="rows", licence="MIT", path=str(tmp_path / "rows.parquet"), fields=FIELDS)
    assert_refuses(lambda: load_examples(source, {}), "source 'rows' has ", "in column 'a' in row 1", "rows.parquet",
                   "no row of use", "1 with no answer", "format fields needs text")  # fmt: skip


# ------------------------------------------------------------------------------------------- formats

COUNTED = {
    "gsm8k without a marker": ("gsm8k", {"question": "q?", "answer": "It is 5."}, "no #### before a final answer"),
    "gsm8k with nothing after it": ("gsm8k", {"question": "q?", "answer": "2 + 3\n####"}, "no answer"),
    "gsm8k without an answer": ("gsm8k", {"question": "q?", "answer": None}, "no answer"),
    "gsm8k with a dict": ("gsm8k", {"question": "q?", "answer": {"x": 1}}, "a dict in column 'answer'"),
    "svamp with a list": ("svamp", {"Body": ["a", "b"], "Question": "q?", "Answer": 5}, "a list in column 'Body'"),
    "aqua without options": (
        "aqua_rat", {"question": "q?", "options": None, "rationale": "", "correct": "A"},
        "no list of options in column 'options'",
    ),
    "aqua with options that are dicts": (
        "aqua_rat", {"question": "q?", "options": [{"label": "A"}], "rationale": "", "correct": "A"},
        "a dict in column 'options'",
    ),
    "alpaca with a dict as input": (
        "alpaca", {"instruction": "Do", "input": {"x": 1}, "output": "y"}, "a dict in column 'input'",
    ),
    "alpaca without output": ("alpaca", {"instruction": "Do", "input": "", "output": None}, "no answer"),
    "alpaca without instruction": ("alpaca", {"instruction": " ", "input": "", "output": "y"}, "no question"),
    "prompt of a list": ("prompt_completion", {"prompt": ["a", "b"], "completion": "y"}, "a list in column 'prompt'"),
    "completion of white space": ("prompt_completion", {"prompt": "a", "completion": " \n"}, "no answer"),
    "turns, and nothing": ("prompt_completion", {"prompt": [user("a")], "completion": None}, "no answer"),
    "turns with an image": (
        "prompt_completion", {"prompt": [user([text("a"), IMAGE])], "completion": "y"},
        "a part of type 'image_url' in column 'prompt'",
    ),
    "chat with an image": (
        "chat", {"messages": [user([IMAGE]), assistant("y")]}, "a part of type 'image_url' in column 'messages'",
    ),
    "chat with a call": (
        "chat", {"messages": [user("a"), assistant("b") | {"tool_calls": [{"id": "1"}]}]},
        "a turn with tool_calls in column 'messages'",
    ),
    "chat that is text": ("chat", {"messages": "hello"}, "a text instead of turns in column 'messages'"),
    "chat that is a dict": ("chat", {"messages": user("a")}, "a dict instead of turns in column 'messages'"),
    "chat of texts": ("chat", {"messages": ["a", "b"]}, "a turn without role and content in column 'messages'"),
    "chat that is null": ("chat", {"messages": None}, "no question"),
    "chat with a role that is no text": (
        "chat", {"messages": [{"role": 1, "content": "a"}]}, "a turn without role and content in column 'messages'",
    ),
    "chat under ShareGPT's names": (
        "chat", {"messages": [{"from": "human", "value": "a"}]}, "a turn without role and content in column 'messages'",
    ),
    "ShareGPT under chat's names": (
        "sharegpt", {"conversations": [user("a")]}, "a turn without from and value in column 'conversations'",
    ),
    "ShareGPT from a tool": (
        "sharegpt", {"conversations": [{"from": "tool", "value": "a"}]}, "a turn from 'tool' in column 'conversations'",
    ),
    "ShareGPT without an answer": ("sharegpt", {"conversations": [{"from": "human", "value": "a"}]}, "no answer"),
    "ShareGPT with a dict": (
        "sharegpt", {"conversations": [{"from": "human", "value": {"x": 1}}]}, "a dict in column 'conversations'",
    ),
}  # fmt: skip
GOOD = {
    "gsm8k": {"question": "How?", "answer": "2 + 3 = 5\n#### 5"},
    "svamp": {"Body": "Tom has 5.", "Question": "How many?", "Answer": 5.0},
    "aqua_rat": {"question": "q?", "options": ["A)1", "B)2"], "rationale": "r", "correct": "B"},
    "alpaca": {"instruction": "Say it.", "input": "", "output": "Yes."},
    "prompt_completion": {"prompt": "Say it.", "completion": "Yes."},
    "chat": {"messages": [user("Say it."), assistant("Yes.")]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Say it."}, {"from": "gpt", "value": "Yes."}]},
}


@pytest.mark.parametrize(("name", "row", "reason"), COUNTED.values(), ids=COUNTED)
def test_rows_that_a_format_cannot_read_are_counted(source, name, row, reason):
    loaded = load_examples(source([GOOD[name], row], format=name), {})
    assert (len(loaded.examples), loaded.dropped) == (1, {reason: 1})


@pytest.mark.parametrize(("name", "row", "reason"), COUNTED.values(), ids=COUNTED)
def test_where_all_rows_are_such_one_line_says_so(source, name, row, reason):
    assert_refuses(lambda: load_examples(source([row, row], format=name), {}), "source 'rows'", f"2 with {reason}")


MISSING = {
    "alpaca": ({"instruction": "a", "input": "", "response": "b"}, {"format": "alpaca"}, "no column 'output'"),
    "prompt_completion": ({"prompt": "a", "competion": "b"}, {"format": "prompt_completion"}, "mean 'competion'"),
    "sharegpt": ({"conversation": []}, {"format": "sharegpt"}, "did you mean 'conversation'?"),
    "chat": ({"message": []}, {"format": "chat"}, "did you mean 'message'?"),
    "prompt": ({"instruction": "a", "r": "b"}, {"prompt": "{instructon}", "completion": "{r}"}, "mean 'instruction'?"),
    "completion": ({"q": "a", "response": "b"}, {"prompt": "{q}", "completion": "{respons}"}, "mean 'response'?"),
}


@pytest.mark.parametrize(("row", "layout", "said"), MISSING.values(), ids=MISSING)
def test_an_unknown_column_names_the_nearest_one(source, row, layout, said):
    assert_refuses(lambda: load_examples(source([row, row], **layout), {}), "source 'rows' has no column", said)


TEMPLATES = {
    "lone opening brace": ({"prompt": "{a", "completion": "{b}"}, "prompt has a lone { at character 1"),
    "lone closing brace": ({"prompt": "{a}", "completion": "b}"}, "completion has a lone } at character 2"),
    "empty braces": ({"prompt": "{}", "completion": "{b}"}, "prompt names no column in {}"),
    "blank braces": ({"prompt": "{ }", "completion": "{b}"}, "prompt names no column in {}"),
    "braces in braces": ({"prompt": "{a{b}}", "completion": "{b}"}, "prompt has a lone { at character 1"),
    "no column": ({"prompt": "Say it.", "completion": "{b}"}, "prompt names no column; write one in braces"),
    "literal braces alone": ({"prompt": "{{a}}", "completion": "{b}"}, "prompt names no column"),
    "empty": ({"prompt": "", "completion": "{b}"}, "prompt names no column"),
    "no completion": ({"prompt": "{a}"}, "has no completion; `prompt:` and `completion:` go together"),
    "no prompt": ({"completion": "{a}"}, "has no prompt"),
    "beside a format": ({"prompt": "{a}", "completion": "{b}", "format": "alpaca"}, "beside another format"),
    "beside fields": ({"prompt": "{a}", "completion": "{b}", "fields": FIELDS}, "beside another format"),
    "answers beside it": ({"prompt": "{a}", "completion": "{b}", "answers": "open"}, "answers, which is for formats"),
    "answers beside gsm8k": ({"format": "gsm8k", "answers": "open"}, "answers, which is for formats"),
    "answers of another kind": ({"fields": FIELDS, "answers": "both"}, "'open' or 'final'"),
}


@pytest.mark.parametrize(("layout", "said"), TEMPLATES.values(), ids=TEMPLATES)
def test_templates_that_are_none_are_refused_by_the_schema(source, layout, said):
    with pytest.raises(ValidationError) as raised:
        source([], **layout)
    assert said in str(raised.value)


# ------------------------------------------------------------------------------------------- winnow.select

SELECTED = {
    "dict as an answer": ([{"question": "q", "answer": {"text": ["Bob"]}}], "a dict in column 'answer'"),
    "bytes as an answer": ([{"question": "q", "answer": b"Bob"}], "bytes in column 'answer'"),
    "list as a prompt": ([{"prompt": ["a", "b"], "completion": "c"}], "a list in column 'prompt'"),
    "dict as a text": ([{"text": {"x": 1}}], "a dict in column 'text'"),
    "NaN as a text": ([{"text": math.nan}], "no text"),
    "NaN as an answer": ([{"question": "q", "answer": math.nan}], "no answer"),
    "image in a message": ([{"messages": [user([IMAGE]), assistant([text("y")])]}], "a part of type 'image_url'"),
    "a message of a number": ([{"messages": [5]}], "a turn without role and content in column 'messages'"),
    "messages that are text": ([{"messages": "hi"}], "a text instead of turns in column 'messages'"),
    "ShareGPT from a tool": ([{"conversations": [{"from": "tool", "value": "a"}]}], "a turn from 'tool'"),
    "output of a date": ([{"instruction": "a", "output": datetime.date(2020, 1, 2)}], "a date in column 'output'"),
}


@pytest.mark.parametrize(("rows", "said"), SELECTED.values(), ids=SELECTED)
def test_rows_to_select_from_are_read_alike(tmp_path, rows, said):
    assert_refuses(lambda: winnow.select(rows, selector="random", fraction=1.0, store=tmp_path / "st"),
                   "no row of dataset is left", said)  # fmt: skip


COLUMNS = {
    "an id that is a list": ({"id": [1]}, {"id": "id"}, "a list as its id"),
    "an id that is NaN": ({"id": math.nan}, {"id": "id"}, "no id"),
    "an id that is true": ({"id": True}, {"id": "id"}, "true or false as its id"),
    "a source that is a dict": ({"site": {"a": 1}}, {"source": "site"}, "a dict as its source"),
    "a source of bytes": ({"site": b"a"}, {"source": "site"}, "bytes as its source"),
}


@pytest.mark.parametrize(("more", "columns", "said"), COLUMNS.values(), ids=COLUMNS)
def test_ids_and_sources_are_text_or_numbers(tmp_path, more, columns, said):
    rows = [{"text": "a"} | more]
    assert_refuses(lambda: winnow.select(rows, selector="random", fraction=1.0, columns=columns), said)


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "x", None], ids=str)
def test_a_score_is_a_finite_number(value):
    rows = [{"text": "a", "s": value}]
    assert_refuses(lambda: winnow.select(rows, selector="top_k", fraction=1.0, score="s"), "no number as its score")


LAYOUTS = {
    "unknown format": ({"format": "alpacca"}, "unknown format 'alpacca' (did you mean 'alpaca'?)"),
    "plain text": ({"format": "text"}, "'text' has no questions"),
    "fields": ({"format": "fields"}, "has neither a format nor fields"),
    "half a template": ({"prompt": "{a}"}, "has no completion"),
    "unknown column": ({"prompt": "{a}", "completion": "{c}"}, "dataset has no column 'c'"),
    "lone brace": ({"prompt": "{a", "completion": "{b}"}, "prompt has a lone {"),
    "format and template": ({"format": "alpaca", "prompt": "{a}", "completion": "{b}"}, "beside another format"),
    "columns beside it": (
        {"prompt": "{a}", "completion": "{b}", "columns": {"prompt": "a"}}, "columns names 'prompt' beside format",
    ),
    "columns of another format": ({"format": "alpaca"}, "no column 'instruction'"),
}  # fmt: skip


@pytest.mark.parametrize(("layout", "said"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_that_do_not_fit_are_one_line(layout, said):
    rows = [{"a": "x", "b": "y"}]
    assert_refuses(lambda: winnow.select(rows, selector="random", fraction=1.0, **layout), said)


def selected_texts(rows, tmp_path, layout=None):
    """Prompt, completion and question of what `winnow.select` makes of rows."""
    given = open_rows(rows, "dataset")
    shape = laid_out_shape(given.columns, layout, "dataset") if layout else find_shape(given.columns, {}, "dataset")
    path = tmp_path / "train.parquet"
    write_candidates(given, shape, Columns(), path, what="dataset", unwanted={})
    return [(row["prompt"], row["completion"]) for row in pq.read_table(path).to_pylist()]


SAME = {
    "alpaca": [GOOD["alpaca"], {"instruction": "Do", "input": "this", "output": "A\nB"}],
    "prompt_completion": [GOOD["prompt_completion"]],
    "gsm8k": [GOOD["gsm8k"]],
    "sharegpt": [GOOD["sharegpt"]],
    "chat": [GOOD["chat"]],
}


@pytest.mark.parametrize(("name", "rows"), SAME.items(), ids=SAME)
def test_select_reads_a_format_as_a_recipe_does(source, tmp_path, name, rows):
    theirs = {(each.prompt, each.completion) for each in load_examples(source(rows, format=name), {}).examples}
    assert set(selected_texts(rows, tmp_path, {"format": name})) == set(selected_texts(rows, tmp_path)) == theirs


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_spelled_in_pythons_way(source, name):
    """Every column of every format in turn holds each value that is no text."""
    rows = [GOOD[name] | {key: value} for key in GOOD[name] for value in (*JSON_VALUES.values(), True, None)]
    loaded = load_examples(source([*rows, GOOD[name]], format=name), {})
    assert loaded.dropped
    for each in loaded.examples:
        said = "".join((each.prompt, each.completion, each.question, each.answer, each.rationale, *each.options))
        assert not any(spelling in said for spelling in SPELLINGS), said


def test_evaluation_rows_of_other_columns_are_read_by_their_own_names(tmp_path):
    rows = [{"a": "How many?", "b": "5"}, {"a": "How far?", "b": "6"}]
    chosen = winnow.select(
        rows, selector="random", fraction=1.0, prompt="{a}\n", completion="{b}",
        evaluation=[{"question": "How far?", "answer": "6"}],
    )  # fmt: skip
    assert chosen.indices.tolist() == [0]
