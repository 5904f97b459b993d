import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError
from winnow.pool.first_rows import first_mistakes
from winnow.pool.loading import load_documents
from winnow.pool.sources import locate, read_rows, source_digests
from winnow.recipe import SourceRecipe

ROWS = [{"question": "How many?", "answer": "5"}, {"question": "Wie viele – schön?", "answer": "6"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def source_of(*path, **others):
    paths = tuple(map(str, path)) if len(path) > 1 else str(path[0])
    return SourceRecipe(**({"name": "toy", "licence": "MIT", "path": paths, "format": "gsm8k"} | others))


def write(folder, ending):
    path = folder / f"rows{ending}"
    if ending in (".jsonl", ".json"):
        path.write_text(LINES if ending == ".jsonl" else json.dumps(ROWS), encoding="utf-8")
    elif ending.endswith(".gz"):
        path.write_bytes(gzip.compress((LINES if "jsonl" in ending else json.dumps({"data": ROWS})).encode()))
    elif ending.endswith(".zst"):
        path.write_bytes(pa.compress(LINES.encode(), "zstd", asbytes=True))
    elif ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, ["question", "answer"])
            writer.writeheader()
            writer.writerows(ROWS)
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".json.gz", ".parquet", ".csv"])
def test_every_type_of_file_gives_the_same_rows(tmp_path, ending):
    assert list(read_rows(source_of(write(tmp_path, ending)))) == ROWS


def test_a_text_file_is_one_row(tmp_path):
    (tmp_path / "book.txt").write_text("Once.\nTwice.")
    assert list(read_rows(source_of(tmp_path / "*.txt", format="text"))) == [{"text": "Once.\nTwice."}]


def test_globs_are_sorted_and_read_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"question": name}) + "\n\n")
    source = source_of("*.jsonl")
    assert [file.name for file in locate(source)] == ["a.jsonl", "b.jsonl"]
    assert [row["question"] for row in read_rows(source)] == ["a", "b"]
    assert list(source_digests(source)) == ["a.jsonl", "b.jsonl"]


def test_where_keeps_rows_by_their_text(tmp_path):
    source = source_of(write(tmp_path, ".jsonl"), where={"answer": "6"})
    assert list(read_rows(source)) == ROWS[1:]
    with pytest.raises(DataError, match="keeps none of its 2 rows"):
        list(read_rows(source_of(write(tmp_path, ".jsonl"), where={"answer": "7"})))
    with pytest.raises(DataError, match=r"no column 'answers' \(did you mean 'answer'\?\); its columns are question"):
        list(read_rows(source_of(write(tmp_path, ".jsonl"), where={"answers": "7"})))


@pytest.mark.parametrize(
    ("value", "asked"),
    [(True, "true"), (False, "false"), (None, "null"), (3, "3"), (0.5, "0.5"), (["é"], '["é"]'), ("True", "True")],
)
def test_where_compares_what_is_no_text_as_json_spells_it(tmp_path, value, asked):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": "Why?", "kept": each}) + "\n" for each in ("other", value)))
    assert [row["kept"] for row in read_rows(source_of(path, where={"kept": asked}))] == [value]
    with pytest.raises(DataError, match=r"keeps none of its 2 rows \(the first has kept: 'other'\)"):
        list(read_rows(source_of(path, where={"kept": "no"})))


def test_a_file_that_two_paths_match_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, ".jsonl")
    for again in ("rows.jsonl", "./rows.jsonl", "*.jsonl", str(path)):
        source = source_of("rows.*", again)
        said = f"source 'toy' reads {path} twice, by 'rows.*' and by '{again}'; name each file once"
        for read in (locate, source_digests, lambda each: list(read_rows(each))):
            with pytest.raises(DataError) as caught:
                read(source)
            assert str(caught.value) == said
        assert first_mistakes(source) == [said]
    (tmp_path / "link.jsonl").symlink_to(path)
    assert list(read_rows(source_of("rows.jsonl", "link.jsonl"))) == ROWS + ROWS


def test_digests_change_with_the_contents(tmp_path):
    path = write(tmp_path, ".jsonl")
    before = source_digests(source_of(path))
    path.write_text(LINES + LINES)
    assert before.keys() == source_digests(source_of(path)).keys()
    assert before != source_digests(source_of(path))


BROKEN = {
    "bad.jsonl": (b'{"a": 1}\n{"a": \n', "line 2, is not JSON"),
    "list.jsonl": (b"[1]\n", "line 1, is a list, not an object"),
    "bad.json": (b"{", "is not JSON"),
    "scalar.json": (b"3", "holds no list of rows"),
    "bad.parquet": (b"nothing", "is not a Parquet file"),
    "cut.jsonl.gz": (gzip.compress(LINES.encode() * 99)[:-20], "cannot be read"),
    "latin.csv": ("a\nsch\xf6n\n".encode("latin-1"), "is not UTF-8"),
    "short.csv": (b"a,b\n1\n", "row 2, has not as many columns"),
    "empty.jsonl": (b"\n", "is empty: it has no rows"),
    "rows.xlsx": (b"", "is of no known type; allowed are .jsonl"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damage_is_told_in_one_line_that_names_the_file(tmp_path, name):
    contents, message = BROKEN[name]
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(DataError, match=message) as caught:
        list(read_rows(source_of(tmp_path / "*.*")))
    assert name in str(caught.value) or "*.*" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_without_files_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=str(tmp_path / "no" / "*.jsonl").replace("*", r"\*")):
        locate(source_of("no/*.jsonl"))


def test_a_sample_of_documents_reaches_its_words(tmp_path):
    path = tmp_path / "text.jsonl"
    texts = [f"{'word ' * (number % 7 + 1)}{number}" for number in range(60)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, *texts[:3]]))
    source = SourceRecipe(name="text", licence="MIT", path=str(path), format="text", limit_words=100)
    found = load_documents(source, {})
    words = [len(text.split()) for _, text in found]
    assert 100 <= sum(words) < 100 + max(words)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, *texts[:3]][::-1]))
    assert load_documents(source, {}) == found
    with pytest.raises(ValueError, match="limit_words, which is for plain text"):
        SourceRecipe(name="chat", licence="MIT", path=str(path), format="chat", limit_words=100)
