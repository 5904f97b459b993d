"""The level of any metric that a study measures: own sets and benchmarks, records of now and of before."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from study_factory import stage, write_items, write_study

from winnow.analysis.find import find
from winnow.analysis.item_records import read_items
from winnow.analysis.levels import Question, facts, items, levels, measured
from winnow.analysis.study_folder import load
from winnow.errors import ArtifactError
from winnow.metrics import Metric
from winnow.records import to_json
from winnow.report.figures import drawn_figures
from winnow.report.page_data import page_data
from winnow.store import read_json, write_json

ARMS = {"full": 0.0, "herding_0.25": 0.05}
LENGTH = Metric("answer_length", higher_is_better=False, unit="words")


def in_new_shape(path):
    """A file of items as they were written before, in the shape of now."""
    rows = []
    for row in pq.read_table(path).to_pylist():
        head = {"set": row["set"], "id": row["id"], "target": row["answer"]}
        loss = {"metric": "loss", "score": row["loss"] / row["target_tokens"], "weight": float(row["target_tokens"])}
        rows.append(head | loss | {"output": None, "extracted": None})
        if row["correct"] is not None:
            said = {"output": row["output"], "extracted": row["extracted"]}
            rows.append(head | {"metric": "exact_match", "score": float(row["correct"]), "weight": 1.0} | said)
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_items_say_the_same_in_both_shapes(tmp_path):
    folder = write_items(write_study(tmp_path / "s", effects=ARMS), arms=tuple(ARMS))
    paths = sorted((folder / "records/items").glob("evaluation.*.parquet"))
    before = {(path, metric): read_items(path, metric) for path in paths for metric in ("loss", "exact_match")}
    tables, shown = find(folder).tables, page_rows(folder)
    for path in paths:
        in_new_shape(path)
    for (path, metric), old in before.items():
        new = read_items(path, metric)
        assert (new.ids == old.ids).all() and (new.weights == old.weights).all()
        assert new.sums == pytest.approx(old.sums, rel=1e-15)
    assert find(folder).tables["comparisons"].rows[0] == pytest.approx(tables["comparisons"].rows[0])
    assert page_rows(folder) == shown
    assert len(read_items(paths[0], "nothing").ids) == 0


def page_rows(folder):
    from winnow.report.items import read_items as shown_items

    return shown_items(folder, find(folder))


def with_length(folder, level_of):
    """The study as if it had measured how long answers are, too; `level_of` gives an arm's level on all sets."""
    for path in (folder / "records").glob("evaluation.*.json"):
        tree = read_json(path)
        level = level_of(tree.get("arm", "full"), tree.get("seed"))
        tree["metrics"] = {"answer_length": to_json(LENGTH)}
        for name in tree["sets"]:
            tree["sets"][name]["measured"] = {"answer_length": {"level": level, "stderr": 0.2, "items": 30}}
        for average in ("micro", "macro"):
            tree[average]["measured"] = {"answer_length": level}
        write_json(path, tree)
    for path in folder.glob("training_records.*.json"):
        tree = read_json(path)
        for row in tree["evaluations"]:
            row["micro"]["measured"] = {"answer_length": 20.0 - row["step"] / 100}
        write_json(path, tree)
    return folder


@pytest.fixture
def by_length(tmp_path):
    folder = write_study(tmp_path / "s", effects=ARMS, primary={"metric": "answer_length"})
    return with_length(folder, lambda arm, seed: 12.0 - 2.5 * (arm != "full") + 0.01 * (seed or 0))


def test_a_metric_of_another_package_is_compared_by_what_the_records_say_of_it(by_length):
    study, found = load(by_length), find(by_length)
    assert facts(study, "answer_length") == LENGTH
    assert levels(study, "full", Question("answer_length", "gsm_like")) == pytest.approx({0: 12.0, 1: 12.01, 2: 12.02})
    assert measured(study) == ("loss", "exact_match", "answer_length")
    assert found.verdict.kind == "better" and found.verdict.primary.gain.mean == pytest.approx(2.5)
    assert "answer length (micro, best checkpoint, 3 seeds): better by 2.5 words" in found.verdict.sentence
    assert found.tables["comparisons"].rows[0]["gain_words"] == pytest.approx(2.5)


def test_it_stands_in_tables_figures_and_on_the_page(by_length):
    found = find(by_length)
    (row,) = [
        row for row in found.tables["measured"].rows
        if (row["arm"], row["checkpoint"], row["set"]) == ("full", "best", "micro")
    ]  # fmt: skip
    assert (row["metric"], row["unit"], row["value"]) == ("answer_length", "words", pytest.approx(12.01))
    primary = found.tables["primary"]
    assert primary.title == "answer length (words)" and [row["arm"] for row in primary.rows][-2:] == list(ARMS)
    assert drawn_figures(found, ["primary"])["primary"].axes[0].get_xlabel().startswith("answer length (words)")
    told = {each["key"]: each for each in page_data(found)["metrics"]}
    assert told["answer_length"] | {"unit": "words", "factor": 1, "higher": False} == told["answer_length"]
    assert {key: each["higher"] for key, each in told.items() if "_like" not in key} == {
        "validation_loss": False, "loss": False, "exact_match": True, "answer_length": False,
    }  # fmt: skip
    assert (told["exact_match"]["unit"], told["exact_match"]["factor"]) == ("%", 100)


def test_what_was_not_measured_is_told_with_what_was(tmp_path):
    folder = write_study(tmp_path / "s", effects=ARMS, primary={"metric": "answer_length"})
    with pytest.raises(ArtifactError, match="'answer_length'; the study measures loss, exact_match; name one"):
        find(folder)


def write_benchmark(folder, task, rates):
    """Forty items a run, as many of them right as the arm's rate says."""
    records = folder / "records"
    (records / "items").mkdir(exist_ok=True)
    listed, rng = read_json(records / "stages.json"), np.random.default_rng(0)
    for arm, rate in rates.items():
        for seed in (0, 1, 2):
            run = f"{arm}{'' if seed == 0 else f'_s{seed}'}_best"
            rows = [
                {"subset": task, "item": place, "id": str(place), "metric": metric, "weight": 1,
                 "score": float(rng.random() < rate)}
                for place in range(40) for metric in ("acc", "acc_norm")
            ]  # fmt: skip
            value = np.mean([row["score"] for row in rows if row["metric"] == "acc_norm"])
            level = {"stderr": 0.05, "random_level": 0.25, "constant_level": 0.25}
            metrics = {"acc": level | {"value": 0.0}, "acc_norm": level | {"value": value}}
            pq.write_table(pa.Table.from_pylist(rows), records / "items" / f"benchmark.{task}.{run}.parquet")
            summary = {"items": 40, "primary": "acc_norm", "metrics": metrics, "left_out": None}
            write_json(records / f"benchmark.{task}.{run}.json", summary)
            listed.append(stage(f"benchmark.{task}.{arm}.s{seed}", "benchmark", {}, arm=arm, seed=seed))
    write_json(records / "stages.json", listed)
    recipe = YAML().load(folder / "recipe.yaml")
    recipe["evaluation"]["benchmarks"] = {"tasks": [task]}
    YAML().dump(recipe, folder / "recipe.yaml")


def test_a_benchmark_is_compared_by_its_own_main_metric(tmp_path):
    folder = write_study(tmp_path / "s", effects=ARMS, primary={"metric": "hellaswag"})
    write_benchmark(folder, "hellaswag", {"full": 0.2, "herding_0.25": 0.8})
    study, found, question = load(folder), find(folder), Question("hellaswag")
    scores = items(study, "full", question)
    assert levels(study, "full", question) == pytest.approx({seed: scores[seed].sums.mean() for seed in (0, 1, 2)})
    assert facts(study, "hellaswag").name == "acc_norm"
    assert found.verdict.kind == "better" and found.verdict.primary.num_items == 40
    assert "hellaswag (micro, best checkpoint, 3 seeds): better by " in found.verdict.sentence
    assert "points" in found.verdict.sentence and "for other items of the same kind" in found.verdict.notes[-1]
    assert found.tables["primary"].title == "hellaswag (%)"
    assert drawn_figures(found, ["primary"])["primary"] is not None
