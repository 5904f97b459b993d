"""Exports: original rows, a card, a folder that anyone's loader and trainer reads."""

import json

import datasets
import pyarrow.parquet as pq
import pytest

import winnow
from winnow.cli import main as cli
from winnow.errors import DataError
from winnow.recipe import (
    BaseRecipe,
    BudgetRecipe,
    EvaluationRecipe,
    FieldsRecipe,
    PoolRecipe,
    Recipe,
    SelectionRecipe,
    SourceRecipe,
    TargetRecipe,
)
from winnow.select_api import export
from winnow.select_api.of_recipe import export_arm, table_of_rows


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def load(folder):
    return datasets.load_dataset(str(folder), split="train").to_list()


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_load_dataset_reads_an_export(rows, tmp_path, format):
    found = winnow.select(rows, selector="top_k", score="quality", size=9, columns={"source": "site"})
    folder = found.export(tmp_path / "out", format, licences={"a": "MIT", "b": "My Own"})
    assert [path.name for path in (folder / "data").iterdir()] == [f"train-00000-of-00001.{format}"]
    loaded = load(folder)
    assert [{key: row[key] for key in rows[0]} for row in loaded] == found.apply(rows)
    assert [row["winnow_rank"] for row in loaded] == list(range(9))
    assert [row["winnow_id"] for row in loaded] == found.ids and [
        row["winnow_source"] for row in loaded
    ] == found.sources
    assert [row["winnow_score"] for row in loaded] == found.scores.tolist()
    card = (folder / "README.md").read_text()
    for said in ("- mit\n- other\n", "top_k", "| a | MIT | 40 |", "9 of 60 candidates", "`winnow_score`", "n<1K"):
        assert said in card
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_columns_of_the_rows_are_never_shadowed(rows, tmp_path):
    own = [row | {"winnow_rank": "mine", "winnow_rank_2": "too"} for row in rows]
    loaded = load(winnow.select(own, selector="random", size=3).export(tmp_path / "out"))
    assert [(row["winnow_rank"], row["winnow_rank_2"], row["winnow_rank_3"]) for row in loaded] == [
        ("mine", "too", rank) for rank in range(3)
    ]


def test_many_rows_make_several_shards(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "SHARD_BYTES", 1000)
    found = winnow.select(rows, selector="random", fraction=1.0)
    folder = found.export(tmp_path / "out")
    assert len(list((folder / "data").iterdir())) > 2
    assert [row["prompt"] for row in load(folder)] == [row["prompt"] for row in found.apply(rows)]


def test_an_export_is_whole_or_not_there(rows, tmp_path, monkeypatch):
    found = winnow.select(rows, selector="random", size=3)
    monkeypatch.setattr(export, "card", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        found.export(tmp_path / "out")
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]


def test_what_cannot_be_exported_is_refused(rows, tmp_path):
    found = winnow.select(rows, selector="random", size=3)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "empty").mkdir()
    for folder, format, said in (
        (tmp_path / "full", "parquet", "not empty"), (tmp_path / "new", "csv", "must be parquet or jsonl"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            found.export(folder, format)
    binary = [row | {"picture": b"\xff"} for row in rows]
    with pytest.raises(DataError, match="export as parquet"):
        winnow.select(binary, selector="random", size=3).export(tmp_path / "new", "jsonl")
    assert not (tmp_path / "new").exists()
    assert len(load(found.export(tmp_path / "empty"))) == 3


# ------------------------------------------------------------------------------------------- of a recipe


@pytest.fixture
def study(tmp_path, model_folder):
    """A recipe of two sources with other columns each, a repeat, and a row that stands in the evaluation set."""
    first = [
        {"question": f"Add {'ab'[n % 2] * (n + 1)} to {n}?", "answer": f"so #### {n + 1}", "level": n}
        for n in range(30)
    ]
    second = [
        {"q": f"Take {'cd'[n % 2] * (n + 1)} from 90?", "a": str(90 - n), "level": "hard", "tags": [n]}
        for n in range(20)
    ]
    second.append(second[0] | {"tags": [99]})
    files = {"first": first, "second": second, "tests": [{"q": "Take dddddddd from 90?", "a": "83"}]}
    for name, content in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    fields = FieldsRecipe(question="q", answer="a")
    source = lambda name, **more: SourceRecipe(  # noqa: E731
        name=name, path=str(tmp_path / f"{name}.jsonl"), **{"licence": "MIT", "fields": fields} | more
    )
    return Recipe(
        name="toy",
        pool=PoolRecipe(
            sources=(source("first", format="gsm8k", fields=None), source("second", licence="CC-BY-4.0")),
            max_tokens=64, target=TargetRecipe(per_source={"second": 2}),
        ),
        base=BaseRecipe(model=str(model_folder)),
        selection=SelectionRecipe(arms=("random",), fractions=(1.0, 0.5)),
        budget=BudgetRecipe(pool_epochs=1),
        evaluation=EvaluationRecipe(sets=(source("tests"),)),
    ), {"first": first, "second": second}  # fmt: skip


def test_an_arm_of_a_recipe_is_exported_in_the_fields_of_its_sources(study, tmp_path):
    recipe, files = study
    folder = export_arm(recipe, arm="random_1", folder=tmp_path / "out", out=tmp_path / "study")
    loaded = load(folder)
    assert [row["winnow_rank"] for row in loaded] == list(range(len(loaded)))
    second = [row for row in loaded if row["winnow_source"] == "second"]
    assert {row["q"] for row in second} <= {row["q"] for row in files["second"]} - {"Take dddddddd from 90?"}
    assert all(row["question"] is None and row["level"] == "hard" for row in second)
    levels = {row["question"]: row["level"] for row in loaded if row["winnow_source"] == "first"}
    assert levels == {row["question"]: str(row["level"]) for row in files["first"] if row["question"] in levels}
    pairs = [(row["q"], tuple(row["tags"])) for row in second]
    assert len(pairs) == len(set(pairs)) and set(pairs) <= {(row["q"], tuple(row["tags"])) for row in files["second"]}
    card = (folder / "README.md").read_text()
    for said in (
        "- mit\n- cc-by-4.0\n",
        "1 rows: the question stands in an evaluation set",
        "`level`",
        "`toy`",
        "null",
    ):
        assert said in card


def test_the_command_exports(study, tmp_path, monkeypatch, capsys):
    recipe, _ = study
    path = tmp_path / "toy.yaml"
    path.write_text(json.dumps(recipe.model_dump(mode="json", exclude_none=True)))
    arguments = ["select", path, "--out", tmp_path / "study", "--export", tmp_path / "out", "--format", "jsonl"]
    for more, code in ((["--arm", "random_0.5"], 0), (["--arm", "random_0.5"], 1), ([], 2)):
        monkeypatch.setattr("sys.argv", ["winnow", *map(str, [*arguments, *more])])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert (left.value.code or 0) == code
        err = capsys.readouterr().err
        assert code != 1 or ("not empty" in err and len(err.strip().splitlines()) == 1)
    assert load(tmp_path / "out")


def test_rows_that_changed_since_are_not_guessed(study, tmp_path):
    recipe, _ = study
    from winnow.select_api.of_recipe import original_rows

    with pytest.raises(DataError, match=r"1 of 1 chosen rows are no longer in the sources \(such as first:0\)"):
        original_rows(recipe, ["first:0"], {})


def test_columns_of_types_that_do_not_go_together_become_text():
    table, as_text = table_of_rows([{"a": 1, "b": 1}, {"a": 2.5, "b": "x"}, {"b": [1]}])
    assert table.to_pylist() == [{"a": 1.0, "b": "1"}, {"a": 2.5, "b": "x"}, {"a": None, "b": "[1]"}]
    assert as_text == ("b",)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_trains_on_an_export(rows, model_folder, tmp_path):
    trl = pytest.importorskip("trl")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = winnow.select(rows, selector="random", size=16).export(tmp_path / "out")
    data = datasets.load_dataset(str(folder), split="train")
    settings = trl.SFTConfig(
        output_dir=str(tmp_path / "trained"), max_steps=2, per_device_train_batch_size=4, bf16=False, use_cpu=True,
        gradient_checkpointing=False, report_to=[], logging_steps=1, save_strategy="no", max_length=64,
    )  # fmt: skip
    trainer = trl.SFTTrainer(
        AutoModelForCausalLM.from_pretrained(model_folder), args=settings, train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(model_folder),
    )  # fmt: skip
    trained = trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert trained.global_step == 2 and len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)
    assert pq.read_table(folder / "data").num_rows == 16
