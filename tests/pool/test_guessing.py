"""The formats of files, guessed from their first rows."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from tests_support import SHARED
from winnow.errors import DataError
from winnow.pool.guessing import guess_source
from winnow.pool.loading import load_examples

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}]
ROWS = {
    "gsm8k": ({"question": "What is 1 + 1?", "answer": "1 + 1 = 2\n#### 2"}, {"format": "gsm8k"}),
    "plain": (
        {"question": "What is 1 + 1?", "answer": "2"},
        {"fields": {"question": "question", "answer": "answer"}},
    ),
    "math": (
        {"problem": "What is 1 + 1?", "solution": "It is 2.", "answer": "2", "level": 1},
        {"fields": {"question": "problem", "rationale": "solution", "answer": "answer"}},
    ),
    "aqua": (
        {"question": "1 + 1?", "options": ["A)2", "B)3"], "rationale": "It is 2.", "correct": "A"},
        {"format": "aqua_rat"},
    ),
    "mmlu": (
        {"question": "1 + 1?", "choices": ["2", "3"], "answer": 0, "subject": "sums"},
        {"fields": {"question": "question", "options": "choices", "answer": "answer"}},
    ),
    "boolq": (
        {"question": "is one and one two", "title": "Sums", "passage": "One and one is two.", "answer": "yes"},
        {"fields": {"question": ["passage", "question"], "answer": "answer"}},
    ),
    "svamp": ({"Body": "I have 1.", "Question": "How many?", "Answer": 1.0}, {"format": "svamp"}),
    "alpaca": ({"instruction": "Say hello.", "input": "", "output": "Hello!"}, {"format": "alpaca"}),
    "trl": ({"prompt": "Hi", "completion": "Hello!"}, {"format": "prompt_completion"}),
    "chat": ({"messages": TURNS}, {"format": "chat"}),
    "sharegpt": ({"conversations": SHAREGPT, "id": "1"}, {"format": "sharegpt"}),
    "dolly": (
        {"instruction": "Sum up.", "context": "A text.", "response": "Text.", "category": "summary"},
        {"prompt": "{instruction}\n\n{context}\n\n", "completion": "{response}"},
    ),
    "cases": ({"Prompt": "Hi", "Response": "Hello!"}, {"prompt": "{Prompt}\n\n", "completion": "{Response}"}),
}


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_the_usual_columns_are_known(tmp_path, kind):
    row, settings = ROWS[kind]
    path = written(tmp_path / "rows.jsonl", [row] * 3)
    guess = guess_source(path)
    assert guess.settings == settings
    assert guess.columns == tuple(row)
    loaded = load_examples(guess.source("mine", str(path)), {})
    assert len(loaded.examples) == 3 and not loaded.dropped


def test_packed_tables_and_comma_separated_files_are_read_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    row, settings = ROWS["alpaca"]
    pq.write_table(pa.Table.from_pylist([row] * 2), tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    pa_stream = pa.CompressedOutputStream(pa.OSFile(str(tmp_path / "rows.jsonl.zst"), "wb"), "zstd")
    with pa_stream as file:
        file.write(json.dumps(row).encode())
    for path in sorted(tmp_path.iterdir()):
        assert guess_source(path).settings == settings, path


def test_a_format_that_fits_the_names_alone_is_not_taken(tmp_path):
    rows = [ROWS["gsm8k"][0]] * 4 + [{"question": "What is 1 + 1?", "answer": "2"}] * 4
    assert "fields" in guess_source(written(tmp_path / "rows.jsonl", rows)).settings


def test_a_few_rows_that_say_nothing_do_not_matter(tmp_path):
    rows = [ROWS["alpaca"][0]] * 19 + [{"instruction": "", "input": "", "output": ""}]
    assert guess_source(written(tmp_path / "rows.jsonl", rows)).settings == {"format": "alpaca"}


def test_open_and_final_answers_and_the_length_are_told(tmp_path):
    assert guess_source(written(tmp_path / "a.jsonl", [ROWS["alpaca"][0]])).is_open
    guess = guess_source(written(tmp_path / "b.jsonl", [ROWS["gsm8k"][0]]))
    assert not guess.is_open
    assert guess.characters == (len("Question: What is 1 + 1?\nAnswer: 1 + 1 = 2\n#### 2"),)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"text": "Once upon a time."}], "plain documents"),
        ([{"a": "x", "b": "y"}], "has the columns a, b, which are of no known format"),
        ([], "has no rows"),
    ],
)
def test_what_cannot_be_guessed_is_said_with_its_columns(tmp_path, rows, said):
    with pytest.raises(DataError, match=said):
        guess_source(written(tmp_path / "rows.jsonl", rows))


PUBLIC = {
    "gsm8k/train.jsonl.gz": {"format": "gsm8k"},
    "dolly_15k/train.jsonl.gz": {"prompt": "{instruction}\n\n{context}\n\n", "completion": "{response}"},
    "svamp/all.jsonl.gz": {"format": "svamp"},
    "aqua_rat/dev.jsonl.gz": {"format": "aqua_rat"},
    "mathqa/dev.jsonl.gz": {"format": "math_qa"},
    "math/train.jsonl.gz": {"fields": {"question": "problem", "rationale": "solution", "answer": "answer"}},
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_data_sets_are_known(name):
    path = Path(SHARED / "data" / name)
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    assert guess_source(path).settings == PUBLIC[name]
