"""Columns and rows that do not go together: all are kept, or one line refuses them before anything is selected."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import winnow
from bad_inputs_support import assert_refuses

ROWS = [{"prompt": f"What is {n} + {n}?", "completion": f" {2 * n}"} for n in range(6)]
TIMES = [datetime.datetime(2020, 1, 1)] * 3
SHARDS = {
    # column in the first file, in the second; what is read, or what the line says
    "nulls, then text": (pa.nulls(3), ["x"] * 3, [None, "x"]),
    "text, then nulls": (["x"] * 3, pa.nulls(3), ["x", None]),
    "missing in the second": ([1] * 3, None, [1, None]),
    "missing in the first": (None, ["x"] * 3, [None, "x"]),
    "dictionary, then text": (pa.array(["a"] * 3).dictionary_encode(), ["x"] * 3, ["a", "x"]),
    "text of two sizes": (pa.array(["a"] * 3, pa.large_string()), ["x"] * 3, ["a", "x"]),
    "views of text": (pa.array(["a"] * 3, pa.string_view()), pa.array(["x"] * 3, pa.string_view()), ["a", "x"]),
    "whole numbers of two sizes": (pa.array([1] * 3, pa.int8()), pa.array([2**40] * 3), [1, 2**40]),
    "whole numbers, then fractions": ([1] * 3, [0.5] * 3, [1.0, 0.5]),
    "times of two units": (pa.array(TIMES, pa.timestamp("s")), pa.array(TIMES, pa.timestamp("us")), TIMES[:2]),
    "objects of other keys": ([{"a": 1}] * 3, [{"b": "x"}] * 3, [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
    "empty lists, then lists": ([[]] * 3, [["x"]] * 3, [[], ["x"]]),
    "numbers, then text": ([1] * 3, ["x"] * 3, "mixed types in column 'meta'"),
    "truth, then numbers": ([True] * 3, [1] * 3, "mixed types in column 'meta'"),
    "bytes, then text": ([b"a"] * 3, ["x"] * 3, "mixed types in column 'meta'"),
    "days, then times": (pa.array([0] * 3, pa.date32()), TIMES, "mixed types in column 'meta'"),
    "lists of two kinds": ([[1]] * 3, [["x"]] * 3, "mixed types in column 'meta'"),
    "objects of two kinds": ([{"a": 1}] * 3, [{"a": "x"}] * 3, "mixed types in column 'meta'"),
    "a zone, then none": (pa.array(TIMES, pa.timestamp("s", "UTC")), TIMES, "mixed types in column 'meta'"),
    "numbers that no fraction holds": ([2**60 + 1] * 3, [0.5] * 3, "a.parquet has values that do not fit"),
    "times that no nanosecond holds": (
        pa.array([2**40] * 3, pa.timestamp("s")),
        pa.array([1] * 3, pa.timestamp("ns")),
        "a.parquet has values that do",
    ),
}


@pytest.mark.parametrize("case", SHARDS)
def test_shards_of_other_columns_keep_all_or_are_refused_at_once(tmp_path, case):
    *columns, found = SHARDS[case]
    for name, meta in zip("ab", columns, strict=True):
        rows = {"prompt": [f"{name}{n}" for n in range(3)], "completion": ["c"] * 3}
        pq.write_table(pa.table(rows | ({} if meta is None else {"meta": meta})), tmp_path / f"{name}.parquet")
    select = lambda: winnow.select(tmp_path / "*.parquet", selector="random", fraction=1.0)  # noqa: E731
    if isinstance(found, str):
        assert_refuses(select, found, folder=tmp_path)
        return
    folder = select().export(tmp_path / "out")
    rows = {row["prompt"]: row["meta"] for row in pq.read_table(folder / "data").to_pylist()}
    assert [rows["a0"], rows["b0"]] == found and len(rows) == 6


GIVEN = {
    "half of a character": ({"prompt": "\ud83d"}, "row 2 of dataset", "half of a character", "'prompt'"),
    "half of a character inside": ({"meta": [{"x": "\udc00"}]}, "row 2 of dataset", "half of a character", "'meta'"),
    "half of a character in a name": ({"\ud800": 1}, "half of a character"),
    "a name that is no text": ({5: 1}, "a column named 5"),
    "text beside numbers": ({"completion": 3}, "mixed types", "'completion'"),
    "bytes beside text": ({"completion": b"a"}, "bytes", "'completion'"),
    "a number that is too large": ({"meta": 2**70}, "'meta'"),
    "an object of Python": ({"meta": object()}, "'meta'"),
    "a complex number": ({"meta": 1j}, "'meta'"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_given_rows_that_no_table_holds_are_one_line(case):
    odd, *said = GIVEN[case]
    rows = [ROWS[0], ROWS[1] | odd, *ROWS[2:]]
    assert_refuses(lambda: winnow.select(rows, selector="random", size=2), *said)


def test_a_day_beside_a_time_is_not_cut_to_a_day():
    rows = [ROWS[0] | {"when": datetime.date(2020, 1, 1)}, ROWS[1] | {"when": datetime.datetime(2020, 1, 1, 5)}]
    assert_refuses(lambda: winnow.select(rows, selector="random", size=1), "days and times", "'when'")


@pytest.mark.parametrize("maker", [dict, list])
def test_given_rows_nested_deep_are_one_line(maker):
    value = None
    for _ in range(5000):
        value = {"a": value} if maker is dict else [value]
    assert_refuses(lambda: winnow.select([ROWS[0] | {"meta": value}], selector="random", size=1), "row 1", "nested")
    loop = []
    loop.append(loop)
    assert_refuses(lambda: winnow.select([ROWS[0] | {"meta": loop}], selector="random", size=1), "row 1", "nested")


TABLES = {
    "a column twice": (pa.table([["a"], ["b"], ["c"]], names=["prompt", "completion", "prompt"]), "two columns named"),
    "a type of which no rows are taken": (
        pa.table({"prompt": ["a"], "completion": ["b"], "meta": pa.RunEndEncodedArray.from_arrays([1], ["a"])}),
        "of which rows cannot be taken",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_odd_tables_are_one_line(case):
    table, said = TABLES[case]
    assert_refuses(lambda: winnow.select(table, selector="random", size=1), said)


@pytest.mark.parametrize("meta, format, other", [({}, "parquet", "jsonl"), (b"a", "jsonl", "parquet")])
def test_an_export_that_a_format_cannot_hold_names_the_other(tmp_path, meta, format, other):
    chosen = winnow.select([row | {"meta": meta} for row in ROWS], selector="random", size=2)
    assert_refuses(lambda: chosen.export(tmp_path / "out", format), f"export as {other}", folder=tmp_path)
    assert chosen.export(tmp_path / "out", other).is_dir()


def test_a_file_that_changes_before_the_export_is_named(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    chosen = winnow.select(path, selector="random", size=2)
    pq.write_table(pa.Table.from_pylist(ROWS[::-1] * 2), path)
    assert_refuses(lambda: chosen.export(tmp_path / "out"), "rows.parquet changed", folder=tmp_path)
    assert not (tmp_path / "out").exists()
