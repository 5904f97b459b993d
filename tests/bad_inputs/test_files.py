"""Damaged, odd, huge and hostile data files and paths: read where they have one reading, else one line names them."""

import csv
import gzip
import json
import random
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import winnow
from bad_inputs_support import assert_refuses
from winnow.pool.file_types import read_file
from winnow.pool.loading import read_parts
from winnow.pool.sources import read_rows
from winnow.recipe import SourceRecipe, TokenizerRecipe
from winnow.text.tokenizers import encode_examples, encode_texts, train_tokenizer

ROWS = [{"prompt": f"What is {n} + {n}?", "completion": f" {2 * n}"} for n in range(6)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
LIST = json.dumps(ROWS)
CSV = "prompt,completion\n" + "".join(f"{row['prompt']},{row['completion']}\n" for row in ROWS)
SHOWN = b'{"prompt": "a", "completion": "b"}\n'
NOISE = random.Random(0).randbytes(4000)
DEEP = "[" * 100_000 + "]" * 100_000


def zstd(content):
    return pa.compress(content, "zstd", asbytes=True)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :]


def parquet(table, **more):
    sink = pa.BufferOutputStream()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), sink, **more)
    return sink.getvalue().to_pybytes()


PARQUET = parquet({name: [row[name] for row in ROWS] for name in ROWS[0]})

READ = {
    # what it is: file name, contents
    "JSON Lines named .json": ("rows.json", LINES.encode()),
    "a list named .jsonl": ("rows.jsonl", LIST.encode()),
    "an indented list named .jsonl": ("rows.jsonl", json.dumps(ROWS, indent=2).encode()),
    "a list after empty lines": ("rows.jsonl", b"\n\n" + json.dumps(ROWS, indent=1).encode()),
    "an indented object with one list, named .jsonl": ("rows.jsonl", json.dumps({"data": ROWS}, indent=1).encode()),
    "indented objects, one after another": ("rows.json", "\n".join(json.dumps(row, indent=1) for row in ROWS).encode()),
    "objects without line breaks": ("rows.json", "".join(map(json.dumps, ROWS)).encode()),
    "a byte order mark": ("rows.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
    "a byte order mark in .json": ("rows.json", b"\xef\xbb\xbf" + LIST.encode()),
    "UTF-16, little-endian": ("rows.jsonl", b"\xff\xfe" + LINES.encode("utf-16-le")),
    "UTF-16, big-endian": ("rows.json", b"\xfe\xff" + LIST.encode("utf-16-be")),
    "UTF-32": ("rows.jsonl", LINES.encode("utf-32")),
    "UTF-16 in CSV": ("rows.csv", CSV.encode("utf-16")),
    "CRLF": ("rows.jsonl", LINES.replace("\n", "\r\n").encode()),
    "CRLF in CSV": ("rows.csv", CSV.replace("\n", "\r\n").encode()),
    "carriage returns alone": ("rows.csv", CSV.replace("\n", "\r").encode()),
    "empty lines between rows": ("rows.jsonl", LINES.replace("\n", "\n\n  \n").encode()),
    "empty lines around CSV": ("rows.csv", b"\n\n" + CSV.replace("\n", "\n\n").encode()),
    "no line break at the end": ("rows.jsonl", LINES.strip().encode()),
    "packed by gzip without saying so": ("rows.jsonl", gzip.compress(LINES.encode())),
    "packed by zstd without saying so": ("rows.json", zstd(LIST.encode())),
    "not packed, but named .gz": ("rows.jsonl.gz", LINES.encode()),
    "not packed, but named .zst": ("rows.jsonl.zst", LINES.encode()),
    "gzip named .zst": ("rows.csv.zst", gzip.compress(CSV.encode())),
    "gzip in several members": (
        "rows.jsonl.gz",
        b"".join(gzip.compress(line.encode()) for line in LINES.splitlines(keepends=True)),
    ),
    "zstd in several frames": (
        "rows.jsonl.zst",
        b"".join(zstd(line.encode()) for line in LINES.splitlines(keepends=True)),
    ),
    "gzip with zeros behind": ("rows.jsonl.gz", gzip.compress(LINES.encode()) + bytes(512)),
    "a name in capitals": ("ROWS.JSONL", LINES.encode()),
    "CSV packed by zstd": ("rows.csv.zst", zstd(CSV.encode())),
    "large strings": (
        "rows.parquet",
        parquet({name: pa.array([row[name] for row in ROWS], pa.large_string()) for name in ROWS[0]}),
    ),
    "dictionaries": (
        "rows.parquet",
        parquet({name: pa.array([row[name] for row in ROWS]).dictionary_encode() for name in ROWS[0]}),
    ),
}


@pytest.mark.parametrize("case", READ)
def test_what_has_one_reading_is_read(tmp_path, case):
    name, content = READ[case]
    path = tmp_path / name
    path.write_bytes(content)
    assert list(read_file(path)) == ROWS


DAMAGED = {
    # what it is: file name, contents, what the line says
    "half of a character": (
        "rows.jsonl",
        LINES.encode() + b'{"prompt": "\\ud83d", "completion": "b"}\n',
        "line 7",
        "half of a character",
        "'prompt'",
    ),
    "half of a character in an option": (
        "rows.jsonl",
        b'{"prompt": "a", "completion": ["b", {"c": "\\udc00"}]}\n',
        "line 1",
        "'completion'",
    ),
    "half of a character in a key": ("rows.jsonl", b'{"prompt": {"\\uD83D": 1}}\n', "line 1", "half of a character"),
    "half of a character in a list": (
        "rows.json",
        b'[{"prompt": "a"}, {"prompt": "\\ude00\\ud83d"}]',
        "row 2",
        "half of a character",
    ),
    "nested for ever": ("rows.jsonl", SHOWN + b'{"prompt": ' + DEEP.encode() + b"}\n", "line 2", "nested"),
    "nested for ever in .json": ("rows.json", DEEP.encode(), "nested"),
    "nested deeper than any row": (
        "rows.jsonl",
        b'{"prompt": ' + b"[" * 300 + b"]" * 300 + b"}",
        "line 1",
        "nested more than 100 levels",
        "'prompt'",
    ),
    "objects nested deep": ("rows.json", b"[" + b'{"a": ' * 200 + b"1" + b"}" * 200 + b"]", "row 1", "nested"),
    "a number of 5,000 digits": (
        "rows.jsonl",
        SHOWN + b'{"prompt": ' + b"7" * 5000 + b"}\n",
        "line 2",
        "number of 5000 digits",
    ),
    "a negative number of 5,000 digits in .json": (
        "rows.json",
        b'[{"prompt": -' + b"7" * 5000 + b"}]",
        "number of 500",
    ),
    "a key twice": ("rows.jsonl", SHOWN + b'{"prompt": "a", "prompt": "b"}\n', "line 2", "the key 'prompt' twice"),
    "a key twice inside": ("rows.jsonl", b'{"prompt": {"x": 1, "x": 2}}\n', "line 1", "the key 'x' twice"),
    "cut inside a line": ("rows.jsonl", LINES.encode()[:-20], "line 6", "is not JSON"),
    "cut inside its only line": ("rows.jsonl", SHOWN[:20], "line 1", "is not JSON"),
    "a cut list": ("rows.json", LIST.encode()[:-30], "is not JSON"),
    "a cut indented list": ("rows.jsonl", json.dumps(ROWS, indent=1).encode()[:-10], "is not JSON"),
    "two rows in a line": ("rows.jsonl", SHOWN.strip() + SHOWN, "line 1", "Extra data"),
    "a list in each line": ("rows.jsonl", b'["a", "b"]\n["c", "d"]\n', "line 1", "is a list"),
    "a number": ("rows.json", b"3", "no list of rows"),
    "a list of lists": ("rows.json", b"[[1], [2]]", "row 1", "is a list"),
    "words": ("rows.jsonl", b"What is 1 + 1?\n", "line 1", "is not JSON"),
    "single quotes": ("rows.jsonl", b"{'prompt': 'a'}\n", "line 1", "is not JSON"),
    "a trailing comma": ("rows.json", b'[{"prompt": "a"},]', "is not JSON"),
    "zeros at the end, as crashes leave": ("rows.jsonl", LINES.encode() + bytes(100), "line 7", "NUL bytes"),
    "zeros alone": ("rows.txt", bytes(100), "NUL bytes"),
    "UTF-16 without a mark": ("rows.csv", CSV.encode("utf-16-le"), "line 1", "NUL bytes"),
    "a NUL in CSV": ("rows.csv", b"prompt,completion\na,b\nc\0,d\n", "line 3", "NUL bytes"),
    "half a UTF-16 letter": ("rows.jsonl", b"\xff\xfe" + LINES.encode("utf-16-le")[:-1], "is not UTF-16"),
    "Latin-1": ("rows.jsonl", '{"prompt": "schön"}'.encode("latin-1"), "is not UTF-8"),
    "a byte that no text has": ("rows.txt", b"abc\xff", "is not UTF-8"),
    "Parquet named .jsonl": ("rows.jsonl", PARQUET, "is a Parquet file by its content"),
    "Parquet packed by gzip": ("rows.json.gz", gzip.compress(PARQUET), "is a Parquet file by its content"),
    "a zip archive": ("rows.csv", b"PK\x03\x04" + bytes(30), "is a zip archive"),
    "an xz file": ("rows.jsonl", b"\xfd7zXZ\0" + bytes(30), "is an xz file"),
    "a bzip2 file": ("rows.txt", b"BZh9" + bytes(30), "is a bzip2 file"),
    "gzip, cut": ("rows.jsonl.gz", gzip.compress(LINES.encode() * 99)[:-20], "cut short"),
    "gzip, header alone": ("rows.jsonl.gz", gzip.compress(b"")[:10], "cut short"),
    "gzip, a damaged block": ("rows.jsonl.gz", gzip.compress(b"")[:10] + b"\xff" * 60, "cannot be read"),
    "gzip, a bit in the middle": ("rows.jsonl.gz", flipped(gzip.compress(NOISE.hex().encode()), 3000), "rows.jsonl.gz"),
    "gzip, a bit in its sum": ("rows.csv.gz", flipped(gzip.compress(CSV.encode()), -8), "cannot be read"),
    "gzip, words behind": ("rows.csv.gz", gzip.compress(CSV.encode()) + b"words", "cannot be read"),
    "zstd, cut": ("rows.jsonl.zst", zstd(NOISE.hex().encode())[:900], "cannot be read"),
    "zstd, a bit": ("rows.jsonl.zst", flipped(zstd(NOISE.hex().encode()), 8), "rows.jsonl.zst"),
    "CSV, a quote that never closes": ("rows.csv", b'prompt,completion\na,b\nc,"d\ne,f\ng,h\n', "is not CSV", "quotes"),
    "CSV, letters after a quote": ("rows.csv", b'prompt,completion\n"a"b,c\n', "line 2", "is not CSV"),
    "CSV, a column twice": ("rows.csv", b"prompt,completion,prompt\na,b,c\n", "two columns named 'prompt'"),
    "CSV, a short row": ("rows.csv", b"prompt,completion\na,b\nc\n", "row 3", "not as many columns"),
    "CSV, a long row": ("rows.csv", b"prompt,completion\na,b,c\n", "row 2", "not as many columns"),
    "Parquet, empty": ("rows.parquet", b"", "rows.parquet"),
    "Parquet, words": ("rows.parquet", b"not at all", "not a Parquet file"),
    "Parquet, half": ("rows.parquet", PARQUET[: len(PARQUET) // 2], "not a Parquet file"),
    "Parquet, marks alone": ("rows.parquet", b"PAR1PAR1", "rows.parquet"),
    "Parquet, damaged end": ("rows.parquet", PARQUET[:-60] + b"\xff" * 52 + PARQUET[-8:], "rows.parquet"),
    "Parquet, a huge footer": ("rows.parquet", PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1", "rows.parquet"),
    "Parquet, a column twice": (
        "rows.parquet",
        parquet(pa.table([["a"], ["b"]], names=["prompt", "prompt"])),
        "two columns named 'prompt'",
    ),
    "JSON named .parquet": ("rows.parquet", LINES.encode(), "not a Parquet file"),
    "empty": ("rows.jsonl", b"", "has no rows"),
    "blank": ("rows.jsonl", b" \n\n\t\n", "has no rows"),
    "an empty list": ("rows.json", b"[]", "has no rows"),
    "CSV, a header alone": ("rows.csv", b"prompt,completion\n", "has no rows"),
    "Parquet without rows": ("rows.parquet", parquet({"prompt": pa.array([], pa.string())}), "has no rows"),
    "empty gzip": ("rows.jsonl.gz", gzip.compress(b""), "has no rows"),
    "a spreadsheet": ("rows.xlsx", b"PK\x03\x04", "no known type"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_one_line_that_names_the_file(tmp_path, case):
    name, content, *said = DAMAGED[case]
    path = tmp_path / name
    path.write_bytes(content)
    source = SourceRecipe(name="mine", licence="MIT", path=str(path), format="text")
    assert_refuses(lambda: list(read_rows(source)), name, *said, folder=tmp_path)
    said = ["rows" if word == "has no rows" else word for word in said]
    assert_refuses(lambda: winnow.select(path, selector="random", size=1), *said, folder=tmp_path)


def test_bytes_that_are_no_text_in_parquet_name_the_column(tmp_path):
    path, bad = tmp_path / "rows.parquet", pa.py_buffer(b"\xff\xfe")
    texts = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), bad)
    pq.write_table(pa.table({"prompt": texts, "completion": ["b"]}), path)
    assert_refuses(lambda: list(read_file(path)), "rows.parquet", "'prompt'", "not UTF-8")
    assert_refuses(lambda: winnow.select(path, selector="random", size=1), "dataset has damaged values")


def test_values_that_python_does_not_have_are_read_as_text(tmp_path):
    path = tmp_path / "rows.parquet"
    times = pa.array([2**62, 1], pa.timestamp("us"))
    pq.write_table(pa.table({"prompt": ["a", "b"], "when": times}), path)
    first, second = read_file(path)
    assert first["prompt"] == "a" and isinstance(first["when"], str) and second["when"].startswith("1970")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_a_long_field_is_read_and_the_limit_of_others_stays(tmp_path, ending):
    path, text = tmp_path / f"rows{ending}", "word " * 40_000
    content = CSV + f'"{text}",short\n'
    path.write_bytes(gzip.compress(content.encode()) if ending.endswith("gz") else content.encode())
    limit = csv.field_size_limit()
    assert [*read_file(path)][-1] == {"prompt": text, "completion": "short"}
    assert len(winnow.select(path, selector="random", fraction=1.0)) == 7
    assert csv.field_size_limit() == limit


def test_threads_read_long_fields_at_once(tmp_path):
    (path := tmp_path / "rows.csv").write_text("text\n" + ("x" * 140_000 + "\n") * 20)
    limit, counts = csv.field_size_limit(), []
    readers = [threading.Thread(target=lambda: counts.append(len(list(read_file(path))))) for _ in range(4)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert counts == [20] * 4 and csv.field_size_limit() == limit


def test_runs_with_long_fields_are_compared(tmp_path):
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", "metric", "value", "config"])
        for arm, gain in (("full", 0), ("mine", 0.2)):
            writer.writerows([arm, seed, "loss", 2 + seed / 10 - gain, "x" * 140_000] for seed in range(3))
    assert winnow.compare(path, baseline="full")["mine"].verdict == "better"


CHAT = [{"role": "user", "content": "\udc00"}, {"role": "assistant", "content": "5"}]
PROBLEM = {"question": "Tom has 1 egg and gets 2. How many?", "answer": "1 + 2 = 3\n#### 3"}
USED = {
    "gsm8k, question": ("gsm8k", PROBLEM | {"question": "\ud83d?"}),
    "gsm8k, rationale": ("gsm8k", PROBLEM | {"answer": "so \ude00\n#### 3"}),
    "aqua_rat, options": (
        "aqua_rat",
        {"question": "?", "options": ["A)1", "B)\ud83d"], "rationale": "r", "correct": "A"},
    ),
    "svamp, body": ("svamp", {"Body": "\ud83d", "Question": "?", "Answer": 1}),
    "chat, messages": ("chat", {"messages": CHAT}),
    "a column that is not used": ("gsm8k", PROBLEM | {"note": "\ud83d"}),
}


@pytest.mark.parametrize("case", USED)
def test_half_of_a_character_is_named_in_every_format(tmp_path, case):
    format, row = USED[case]
    (path := tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = SourceRecipe(name="mine", licence="MIT", path=str(path), format=format)
    assert_refuses(lambda: list(read_parts(source, {})), "rows.jsonl, line 1", "half of a character")


def test_of_a_text_that_is_far_too_long_no_more_is_read_than_counts():
    tokenizer = train_tokenizer(["Tom has 12 eggs"], TokenizerRecipe(vocab_size=270), 64)
    texts = ["word " * 2_000_000, " " * 10_000_000, "é" * 50_000, "short"]
    started = time.process_time()
    found = encode_examples(tokenizer, ["", *texts[:3]], [texts[0], "a", "b", "c"], max_tokens=32)
    assert time.process_time() - started < 6
    assert [(len(each.completion_ids), each.truncated) for each in found] == [(32, True)] + [(0, True)] * 3
    whole = encode_texts(tokenizer, texts[2:])
    assert found[0].completion_ids == encode_texts(tokenizer, ["word " * 40])[0][:32]
    assert encode_texts(tokenizer, texts[2:], max_tokens=10**6) == whole
    assert encode_texts(tokenizer, texts[2:], max_tokens=8)[1] == whole[1]
