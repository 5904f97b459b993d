import json
import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError
from winnow.pool.loading import load_examples
from winnow.pool.shards import from_line, sorted_shards, to_line
from winnow.pool.sources import read_rows
from winnow.recipe import SourceRecipe
from winnow.text.examples import build_example

ROWS = [(f"How many of {n} ünits?\r\n", f"There are {n}.\n#### {n}") for n in range(300)]


@pytest.fixture
def shards(tmp_path):
    """The shards of a source with the count of rows and of dropped ones; checks that nothing is left on disk."""

    def build(source, inputs=None, **options):
        with sorted_shards(source, inputs or {}, tmp_path / "work", **options) as read:
            found = list(read.shards)
        assert not (tmp_path / "work").exists()
        return found, read.read, read.dropped

    return build


@pytest.mark.parametrize("characters", [1, 500, 5_000, 10**9])
def test_shards_give_what_is_loaded_at_once(shards, source, characters):
    rows = [*ROWS, *ROWS[:40], *ROWS[:3], ("", "#### 1"), ("What?", "")]
    random.Random(0).shuffle(rows)
    toy = source("toy", rows)
    found, read, dropped = shards(toy, characters=characters)
    loaded = load_examples(toy, {})
    assert [each for shard in found for each in shard] == loaded.examples
    assert (read, dropped) == (loaded.read, loaded.dropped)
    if characters < 10**9:
        assert len(found) > 3
        assert max(map(len, found)) < len(rows) / 2


def test_repeats_that_differ_in_scores_are_numbered_as_at_once(shards, tmp_path):
    rows = [{"question": f"How many of {n % 9}?", "answer": "#### 3", "quality": n / 7} for n in range(60)]
    (tmp_path / "toy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    scores = {"quality": "quality"}
    toy = SourceRecipe(name="toy", licence="MIT", path=str(tmp_path / "toy.jsonl"), format="gsm8k", scores=scores)
    found, _, _ = shards(toy, characters=200)
    assert [each for shard in found for each in shard] == load_examples(toy, {}).examples


def test_an_example_survives_the_disk():
    example = build_example(
        "toy", "Wie \ud800 viel\u2028?", answer="B", rationale="a\rb", options=("1", "2"), scores={"q": 0.1, "a": 9e9},
        messages=(("user", "Hi"), ("assistant", "Ho"))
    )  # fmt: skip
    assert from_line(to_line(example)) == example
    plain = replace(example, messages=(), planted="copy", scores=())
    assert from_line(to_line(plain)) == plain


def test_generated_rows_pass_too(shards, generated):
    rows = [{"question": f"How many of {n}?", "answer": str(n), "rationale": "", "planted": None} for n in range(50)]
    toy = SourceRecipe(name="toy", licence="MIT", problems={"examples": 50})
    inputs = {"generated.toy": generated("toy", rows)}
    found, _, _ = shards(toy, inputs, characters=300)
    assert len(found) > 1
    assert [each for shard in found for each in shard] == load_examples(toy, inputs).examples


def test_rows_are_read_only_as_they_are_asked_for(tmp_path):
    rows = [{"question": question, "answer": str(n)} for n, (question, _) in enumerate(ROWS * 40)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "toy.parquet", row_group_size=len(rows) // 2)
    damaged = bytearray((tmp_path / "toy.parquet").read_bytes())
    at = pq.read_metadata(tmp_path / "toy.parquet").row_group(1).column(0).dictionary_page_offset
    damaged[at : at + 40] = bytes(40)
    (tmp_path / "toy.parquet").write_bytes(damaged)
    (tmp_path / "toy.jsonl").write_text('{"question": "How many?", "answer": "#### 1"}\n' + "no JSON\n")
    for name in ("toy.parquet", "toy.jsonl"):
        read = read_rows(SourceRecipe(name="toy", licence="MIT", path=str(tmp_path / name), format="gsm8k"))
        assert next(read)["question"].startswith("How many")
        with pytest.raises(DataError, match=name):
            list(read)


def test_an_error_leaves_nothing_behind(source, tmp_path):
    with pytest.raises(DataError, match="'toy' gives no examples: 1 with no question"):  # noqa: SIM117
        with sorted_shards(source("toy", [("", "#### 1")]), {}, tmp_path / "work"):
            pass
    assert not (tmp_path / "work").exists()
