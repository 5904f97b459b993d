"""Whatever bytes a file holds: its reader gives what it promises, or one line of winnow's own."""

import gzip
import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from winnow.analysis.statistics import deviation, mean_interval, needed_seeds
from winnow.compare_api.rows import rows_of, runs_of
from winnow.errors import ArtifactError, DataError, RecipeError, WinnowError
from winnow.pool.file_types import read_file
from winnow.recipe import Recipe
from winnow.recipe.file import load_recipe
from winnow.records import Artifact
from winnow.store import RECORD, read_json, read_record

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=20)
"""Halves of characters, NUL and all else that Python holds as text."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
NAMES = st.sampled_from(["prompt", "completion", "question", "answer", "messages", "text", "a"])
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4)
JSON_LIKE = st.lists(
    st.sampled_from(["{", "}", "[", "]", ",", ":", '"', '"a"', '"prompt"', "1", "-", "1e999", "NaN", "null",
                     "\\ud83d", "\\u0000", "\n", "\r", " ", "\ufeff"]),
    max_size=30,
).map("".join)  # fmt: skip
CSV_LIKE = st.lists(
    st.sampled_from(["prompt", "completion", ",", '"', '""', "\n", "\r", "\r\n", " ", "x", ";", "\0", "#"]), max_size=30
).map("".join)
BYTES = st.binary(max_size=60) | st.one_of(JSON_LIKE, CSV_LIKE, st.text(max_size=30)).flatmap(
    lambda text: st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"]).map(text.encode)
)
ENDINGS = (".jsonl", ".json", ".csv", ".txt", ".parquet", ".jsonl.gz", ".csv.gz", ".txt.gz", ".json.zst")


def assert_one_line(error):
    """A message that can be printed, of at most a thousand characters."""
    assert str(error).isprintable() and len(str(error)) <= 1000, str(error)


def rows_or_line(read):
    """The rows, or none where there is one line; any other error is a failure."""
    try:
        return list(read())
    except WinnowError as error:
        assert_one_line(error)
        return None


@pytest.mark.parametrize("ending", ENDINGS)
@FAST
@given(content=BYTES, is_packed=st.booleans())
@pytest.mark.slow
def test_any_bytes_are_rows_or_one_line(tmp_path, ending, content, is_packed):
    path = tmp_path / f"rows{ending}"
    path.write_bytes(gzip.compress(content) if is_packed else content)
    found = rows_or_line(lambda: read_file(path))
    assert found is None or all(isinstance(row, dict) for row in found)
    for row in found or ():
        json.dumps(row, ensure_ascii=False, default=str).encode()  # whole characters alone


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
@FAST
@given(rows=ROWS)
@pytest.mark.slow
def test_rows_of_any_json_come_back_or_are_one_line(tmp_path, ending, rows):
    path = tmp_path / f"rows{ending}"
    path.write_text(json.dumps(rows) if ending == ".json" else "".join(json.dumps(row) + "\n" for row in rows))
    found = rows_or_line(lambda: read_file(path))
    assert found is None or repr(found) == repr(rows)


@FAST
@given(content=st.binary(min_size=1, max_size=8), at=st.integers(0, 2000))
def test_parquet_with_other_bytes_somewhere_is_rows_or_one_line(tmp_path, content, at):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": ["a", "b"], "n": [1, 2], "deep": [[{"x": "y"}], []]}), path)
    sound = path.read_bytes()
    at %= len(sound)
    path.write_bytes(sound[:at] + content + sound[at + len(content) :])
    rows_or_line(lambda: read_file(path))


@FAST
@given(
    rows=st.lists(
        st.dictionaries(
            NAMES | TEXTS | st.integers(), VALUES | st.binary(max_size=4) | st.dates() | st.datetimes(), max_size=4
        ),
        max_size=4,
    )
)
def test_any_given_rows_are_a_table_or_one_line(rows):
    from winnow.select_api.given import open_rows

    try:
        found = open_rows(rows, "dataset")
        for table in found.batches(found.columns):
            table.to_pylist()
    except DataError as error:
        assert_one_line(error)


MEASUREMENTS = st.fixed_dictionaries(
    {},
    optional={
        "arm": SCALARS | st.sampled_from(["full", "mine"]) | st.binary(max_size=3),
        "seed": SCALARS | st.integers(0, 3),
        "metric": SCALARS | st.just("loss"),
        "value": SCALARS | st.decimals() | st.just("1_0"),
        "step": SCALARS,
        "cost": SCALARS,
    },
)


@settings(FAST, max_examples=200)
@given(rows=st.lists(MEASUREMENTS, max_size=5))
@example(rows=[{"arm": "full", "seed": 10**5000, "metric": "loss", "value": 1}])
@example(rows=[{"arm": "full", "seed": 1, "metric": "loss", "value": 10**5000}])
@example(rows=[{"arm": 10**5000, "seed": 1, "metric": "loss", "value": 1}])
@pytest.mark.slow
def test_any_measurements_are_runs_or_one_line(rows):
    try:
        runs = runs_of(rows_of(rows), cost="cost")
    except DataError as error:
        assert_one_line(error)
        return
    points = [point for run in runs for each in run.metrics.values() for point in each]
    assert len(points) == len(rows) and all(math.isfinite(point.value) for point in points)
    assert all(run.arm.isprintable() for run in runs)


@FAST
@given(values=st.lists(st.floats(), max_size=4))
def test_any_numbers_have_a_mean_or_one_line(values):
    for find in (mean_interval, deviation, needed_seeds):
        try:
            found = find(values)
        except DataError as error:
            assert_one_line(error)
        else:
            assert found is None or not isinstance(found, float) or math.isfinite(found)


RECORDS = st.dictionaries(
    st.sampled_from(["name", "kind", "fingerprint", "digest", "inputs", "costs", "wasted", "numbers", "files"]) | TEXTS,
    VALUES,
    max_size=9,
)


@FAST
@given(tree=VALUES | RECORDS)
def test_any_json_is_a_record_or_one_line(tmp_path, tree):
    (tmp_path / RECORD).write_text(json.dumps(tree))
    try:
        assert isinstance(read_record(tmp_path), Artifact)
    except ArtifactError as error:
        assert_one_line(error)


@FAST
@given(content=BYTES)
@example(content=b"[" * 100_000)
@example(content=b"1" * 5000)
@example(content=b'{"a": "\xff"}')
def test_any_bytes_are_a_record_or_one_line(tmp_path, content):
    (tmp_path / RECORD).write_bytes(content)
    for read in (lambda: read_record(tmp_path), lambda: read_json(tmp_path / RECORD)):
        try:
            read()
        except ArtifactError as error:
            assert_one_line(error)


YAML_LIKE = st.lists(
    st.sampled_from(
        ["name", "pool", "base", "study", "extends", ":", ": ", "\n", "  ", "- ", "{", "}", "[", "]", ",", "&a ", "*a",
         "!!python/object ", "|", ">", "'", '"', "1", "-.inf", "~", "<<", "%", "@", "\t", "---\n", "..."]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@FAST
@given(text=YAML_LIKE | st.text(max_size=40))
@example(text="[" * 1200)
@example(text="name: " + "7" * 5000)
@example(text="\0")
def test_any_text_is_a_recipe_or_one_line(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load_recipe(path), Recipe)
    except RecipeError as error:  # a line for each mistake
        assert all(line.isprintable() and len(line) <= 1000 for line in error.lines), error.lines
