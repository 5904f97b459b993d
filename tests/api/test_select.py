"""winnow.select: any rows in, indices out, and one line for whatever is wrong."""

import gzip
import json
import re
import subprocess
import sys
from dataclasses import replace

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import winnow
from tests_support import ROOT, SMALLEST
from winnow.errors import DataError, RecipeError, WinnowError
from winnow.pool.rows import count_words


def chosen(rows, selection):
    return [rows[row] for row in selection.indices]


@pytest.fixture(params=["list", "dataset", "table", "parquet", "two files", "jsonl.gz", "folder"])
def given(request, rows, tmp_path):
    """The same rows in every form that is understood."""
    table = pa.Table.from_pylist(rows)
    if request.param == "list":
        return rows
    if request.param == "dataset":
        return datasets.Dataset.from_list(rows)
    if request.param == "table":
        return table
    if request.param == "jsonl.gz":
        with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        return tmp_path / "rows.jsonl.gz"
    cuts = [table] if request.param == "parquet" else [table.slice(0, 25), table.slice(25)]
    for number, part in enumerate(cuts):
        pq.write_table(part, tmp_path / f"{number}.parquet")
    if request.param == "folder":
        return f"hf://{tmp_path}"
    return tmp_path / ("0.parquet" if len(cuts) == 1 else "*.parquet")


def test_every_form_of_the_rows_gives_the_same_rows(given, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    expected = winnow.select(rows, selector="random", size=7, seed=3)
    found = winnow.select(given, selector="random", size=7, seed=3)
    assert found.indices.dtype == np.int64 and found.indices.tolist() == expected.indices.tolist()
    folder = found.export(tmp_path / "out")
    assert pq.read_table(folder / "data")["prompt"].to_pylist() == [row["prompt"] for row in chosen(rows, expected)]


def test_the_order_of_the_rows_does_not_matter(rows):
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = [rows[row] for row in order]
    for columns in ({}, {"source": "site"}):
        found = winnow.select(rows, selector="equal_shares", fraction=0.3, columns=columns)
        again = winnow.select(shuffled, selector="equal_shares", fraction=0.3, columns=columns)
        assert chosen(rows, found) == chosen(shuffled, again)


def test_repeated_rows_are_rows_of_their_own(rows):
    found = winnow.select(rows * 2, selector="random", fraction=1.0)
    assert sorted(found.indices) == list(range(120)) and sum(name.endswith("#2") for name in found.ids) == 60


def test_a_selection_tells_what_it_is_made_of(rows):
    found = winnow.select(rows, selector="equal_shares", size=20, columns={"source": "site"})
    assert (len(found), found.candidates, found.fraction) == (20, 60, pytest.approx(1 / 3))
    assert [(row["source"], row["pool_examples"], row["selected_examples"]) for row in found.composition] == [
        ("a", 40, 10), ("b", 20, 10),
    ]  # fmt: skip
    assert found.sources == [row["site"] for row in chosen(rows, found)]
    words = [len((row["prompt"] + row["completion"]).split()) for row in chosen(rows, found)]
    assert found.numbers["mean_tokens"] == pytest.approx(np.mean(words))
    assert found.scores is None and found.weights is None and found.cost.flops == 0 < found.cost.seconds


def test_a_column_of_numbers_is_a_score(rows):
    found = winnow.select(rows, selector="top_k", score="quality", size=5)
    assert found.scores.tolist() == [60, 59, 58, 57, 56]
    assert [row["quality"] for row in chosen(rows, found)] == [60, 59, 58, 57, 56]


def test_so_many_tokens_are_chosen(rows):
    found = winnow.select(rows, selector="random", tokens=50)
    words = [len((row["prompt"] + row["completion"]).split()) for row in chosen(rows, found)]
    assert sum(words[:-1]) < 50 <= sum(words)


def test_words_are_counted_as_python_does():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(" a\n\tbé"), rng.integers(0, 9))) for _ in range(500)]
    assert count_words(pa.array(texts)).tolist() == [len(text.split()) for text in texts]
    assert count_words(pa.array(texts).slice(7, 99)).tolist() == [len(text.split()) for text in texts[7:106]]
    assert count_words(pa.array(["", ""])).tolist() == [0, 0]


def test_apply_gives_the_same_kind_back(rows):
    found = winnow.select(rows, selector="random", size=4)
    assert found.apply(rows) == chosen(rows, found)
    assert found.apply(datasets.Dataset.from_list(rows)).to_list() == chosen(rows, found)
    assert found.apply(pa.Table.from_pylist(rows)).to_pylist() == chosen(rows, found)
    with pytest.raises(DataError, match="has 59 rows"):
        found.apply(rows[1:])
    with pytest.raises(DataError, match="for files use export"):
        found.apply("rows.parquet")


def test_rows_that_ask_an_evaluation_question_are_no_candidates(rows):
    tests = [{"prompt": rows[3]["prompt"].upper(), "completion": " ?"}]
    found = winnow.select(rows, selector="random", fraction=1.0, evaluation=tests)
    assert 3 not in found.indices and len(found) == 59
    assert found.removed == {"question stands in the evaluation rows": 1}


def test_chats_problems_and_texts_are_understood():
    chats = [
        {"messages": [{"role": "user", "content": f"Add {n}."}, {"role": "assistant", "content": f"Yes {n}."},
                      {"role": "user", "content": "Thanks."}]} for n in range(5)
    ]  # fmt: skip
    lonely = [{"messages": [{"role": "user", "content": "Hello?"}]}]
    problems = [{"question": f"Add {n}", "answer": f"steps <<1+1=2>>\n#### {n}"} for n in range(5)]
    assert winnow.select(chats + lonely, selector="random", fraction=1.0).removed == {"no answer of an assistant": 1}
    assert winnow.select(chats, selector="random", tokens=1000 // 1000).numbers["pool_mean_tokens"] == 6
    assert winnow.select(problems, selector="random", size=1).numbers["pool_mean_tokens"] == 7
    found = winnow.select([{"text": "a b c"}, {"text": " "}], selector="random", fraction=1.0)
    assert (found.indices.tolist(), found.removed, found.numbers["mean_tokens"]) == ([0], {"no text": 1}, 3)
    named = winnow.select(
        [{"q": "a", "a": "b c"}], selector="random", size=1, columns={"prompt": "q", "completion": "a"}
    )
    assert named.numbers["mean_tokens"] == 3


def test_the_chat_template_of_the_model_lays_out_messages(model_folder, tmp_path):
    from transformers import AutoTokenizer

    from winnow.select_api.shapes import find_shape

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    turn, opening = "<{{m['role']}}>{{m['content']}}", "{% if add_generation_prompt %}<assistant>{% endif %}"
    tokenizer.chat_template = "{% for m in messages %}" + turn + "{% endfor %}" + opening
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    shape = find_shape(["messages"], {}, "dataset")
    read = lambda shape: next(iter(shape.read(pa.table({"messages": [turns]}))))  # noqa: E731
    assert read(replace(shape, tokenizer=tokenizer))[:3] == ("Hi", "<user>Hi<assistant>", "Ho")
    assert read(shape)[:3] == ("Hi", "user: Hi\nassistant:", " Ho")


def test_a_model_gives_what_the_selector_sees(rows, model_folder, tmp_path):
    one = {"kind": "hidden_states", "dimensions": 4, "batch_size": 8}
    asked = {"model": model_folder, "representation": one, "size": 12, "store": tmp_path / "store"}
    found = winnow.select(rows, **asked)
    assert found.cost.flops > 0 and found.cost.tokens > 0 and found.numbers["mmd_ratio"] is not None
    made = sorted((tmp_path / "store" / "represent").glob("*/record.json"))
    stamps = [path.stat().st_mtime_ns for path in made]
    again = winnow.select(rows, **asked | {"size": 6})
    assert again.indices.tolist() == found.indices[:6].tolist()
    assert [
        path.stat().st_mtime_ns for path in sorted((tmp_path / "store" / "represent").glob("*/record.json"))
    ] == stamps
    losses = winnow.select(rows, selector="bottom_k", model=model_folder, size=60)
    assert (np.diff(losses.scores) >= 0).all()


def test_a_target_draws_the_selection(rows, model_folder):
    target = rows[:5]
    asked = {"model": model_folder, "representation": {"kind": "hidden_states", "dimensions": 4}, "size": 10}
    towards = winnow.select(rows, target=target, **asked)
    assert towards.candidates == 55 and towards.removed == {"question stands in the target": 5}
    assert set(towards.indices) != set(winnow.select(rows[5:], **asked).indices + 5)


@pytest.mark.slow
def test_it_chooses_what_a_study_chooses(tmp_path):
    from winnow.pipeline import advance
    from winnow.recipe.file import load_recipe

    walk = advance(load_recipe(SMALLEST, ["pool.target=null"]), "select", out=tmp_path / "study", arm="herding_0.25")
    pool = pq.read_table(walk.done["pool"].folder / "train.parquet").select(["id", "source", "prompt", "completion"])
    pool = pool.take(np.random.default_rng(0).permutation(len(pool)))
    found = winnow.select(
        pool,
        model=walk.done["base"].folder / "last",
        fraction=0.25,
        columns={"id": "id", "source": "source"},
        max_tokens=160,
    )
    studied = pq.read_table(walk.done["select.herding_0.25"].folder / "selection.parquet")
    assert found.ids == studied["id"].to_pylist() == pool["id"].take(found.indices).to_pylist()
    assert found.cost.flops == walk.done["select.herding_0.25"].numbers["charged_flops"]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({}, RecipeError, "give one of fraction, size, tokens"),
        ({"size": 3, "tokens": 9}, RecipeError, "size and tokens"),
        ({"fraction": 1.5}, RecipeError, r"fraction is 1.5; it must lie in \(0, 1\]"),
        ({"size": 0}, RecipeError, "size is 0"),
        ({"size": 61}, RecipeError, "61 examples are more than the candidates' 60"),
        ({"size": 3, "selector": "rndom"}, RecipeError, "did you mean 'random'"),
        ({"size": 3, "selector": "full"}, RecipeError, "brings its own size"),
        ({"size": 3, "selector": "source_matched"}, RecipeError, "is a control"),
        ({"size": 3, "selector": "herding"}, RecipeError, "give model="),
        ({"size": 3, "selector": "density_ratio"}, RecipeError, "needs a target"),
        ({"size": 3, "target": [{"prompt": "a", "completion": "b"}]}, RecipeError, "cannot aim at a target"),
        ({"size": 3, "options": {"a": 1}}, RecipeError, "unknown option a of random"),
        ({"size": 3, "score": "loss"}, RecipeError, "no use for a score"),
        ({"size": 3, "selector": "top_k", "score": "qualty"}, DataError, "did you mean 'quality'"),
        ({"size": 3, "selector": "top_k", "score": "site"}, DataError, "no number"),
        ({"size": 3, "selector": "herding", "representation": "hiden_states"}, RecipeError, "mean 'hidden_states'"),
        ({"size": 3, "selector": "herding", "representation": {"kind": "loss", "layr": 1}}, RecipeError, "layr"),
        ({"size": 3, "columns": {"prompt": "instruction"}}, DataError, "no column 'instruction'"),
        ({"size": 3, "columns": {"promt": "prompt"}}, DataError, "did you mean 'prompt'"),
        ({"size": 3, "columns": {"id": "site"}}, DataError, "stands twice"),
        ({"size": 3, "dataset": []}, DataError, "has no rows"),
        ({"size": 3, "dataset": 7}, DataError, "dataset is a int; allowed are"),
        ({"size": 3, "dataset": "nowhere.parquet"}, DataError, "dataset finds no file at"),
        ({"size": 3, "dataset": [{"a": "b"}]}, DataError, "has the columns a; winnow reads"),
        ({"size": 3, "dataset": [{"text": ""}]}, DataError, "no row of dataset is left"),
        ({"size": 3, "dataset": [{"text": "a", "x": 1}, {"text": "a", "x": "b"}]}, DataError, "in column 'x'"),
        ({"size": 3, "model": "/nowhere/at/all"}, RecipeError, "does not exist"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_one_line(rows, changed, error, said):
    with pytest.raises(error, match=said) as raised:
        winnow.select(**{"dataset": rows, "selector": "random"} | changed)
    assert isinstance(raised.value, WinnowError) and "\n" not in str(raised.value)


def test_the_readmes_snippet_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "winnow.select(" in block)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)  # noqa: S102
    assert len(names["chosen"]) == 40
    assert datasets.load_dataset("chosen", split="train", cache_dir=str(tmp_path / "cache")).num_rows == 40


def test_importing_winnow_stays_light():
    script = "import sys, winnow; print([n for n in ('torch', 'pyarrow', 'numpy', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
