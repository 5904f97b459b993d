import dataclasses
import json

import pyarrow.parquet as pq
import pytest
from toys import naive_losses, store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer

from winnow.evaluation import stages
from winnow.evaluation.probe import build_probe, probe_for
from winnow.evaluation.sets import validation_rows
from winnow.evaluation.stages import evaluate
from winnow.models import loading
from winnow.parts import EvaluatePart
from winnow.recipe import EvaluationRecipe, SourceRecipe
from winnow.records import Context

PART = EvaluatePart(checkpoints=("best", "last"), max_new_tokens=30, batch_size=8)
SUMMARY = {
    "items", "target_tokens", "loss", "exact_match", "stderr", "random_level", "constant_level", "constant_answer",
    "multiple_choice_share", "strict_exact_match",
}  # fmt: skip


@pytest.fixture
def tests_of(tmp_path, examples):
    def build(chosen=examples):
        stored = store_artifact(tmp_path, "tests", "tests")
        pq.write_table(token_table(chosen).drop_columns(["prompt_ids", "completion_ids"]),
                       stored.folder / "tests.parquet")  # fmt: skip
        return stored

    return build


@pytest.fixture
def run(tmp_path, expert, tests_of):
    """Evaluate a run whose last weights are the expert's; its best ones are random, or stand at the last step."""

    def build(*, best_step=1, part=PART, tests=None, name="evaluation"):
        trained = store_artifact(tmp_path, "train", f"run{best_step}", {"best_step": best_step, "steps": 5})
        for checkpoint, model in (("best", toy_model()), ("last", expert)):
            loading.save_model(model, trained.folder / checkpoint, toy_tokenizer(), None)
        inputs = {"run": trained, "tests": tests or tests_of(), "tokenizer": store_tokenizer(tmp_path)}
        stored = store_artifact(tmp_path, "evaluate", name)
        return stored.folder, evaluate(part, inputs, Context(stored.folder))

    return build


def test_the_files_are_those_of_the_contract(run, examples):
    folder, outcome = run()
    assert set(outcome.outputs) == {
        "evaluation_best.json", "evaluation_last.json", "items_best.parquet", "items_last.parquet",
    }  # fmt: skip
    found = json.loads((folder / "evaluation_last.json").read_text())
    assert set(found) == {"max_new_tokens", "sets", "micro", "macro"}
    assert set(found["sets"]) == {"sums", "choices"}
    assert all(set(each) == SUMMARY for each in found["sets"].values())
    items = pq.read_table(folder / "items_last.parquet")
    assert items.column_names == ["set", "id", "metric", "score", "weight", "output", "extracted", "target"]
    for metric in ("loss", "exact_match"):
        named = [row["id"] for row in items.to_pylist() if row["metric"] == metric]
        assert sorted(named) == sorted(each.id for each in examples)
    assert outcome.numbers["last"]["micro"] == found["micro"] and outcome.costs["evaluate"].tokens > 0


def test_best_and_last_are_scored_apart_where_they_differ(run):
    _, outcome = run()
    assert outcome.numbers["last"]["micro"]["exact_match"] == 1.0
    assert outcome.numbers["best"]["micro"]["exact_match"] == 0.0


def test_best_is_scored_once_where_it_is_the_last(run, monkeypatch):
    loads = []
    monkeypatch.setattr(stages, "load_model", lambda *args: loads.append(args[1]) or loading.load_model(*args))
    folder, outcome = run(best_step=5)
    assert loads == ["last"] and outcome.numbers["best"] == outcome.numbers["last"]
    for pattern in ("evaluation_{}.json", "items_{}.parquet"):
        assert (folder / pattern.format("best")).read_bytes() == (folder / pattern.format("last")).read_bytes()
    run(best_step=5, part=PART.model_copy(update={"checkpoints": ("best",)}), name="best_alone")
    assert loads == ["last", "best"]


def test_levels_to_compare_with(run, tests_of, examples):
    """Choices have two and four options; among the sums, one answer stands twice."""
    twice = [*examples, dataclasses.replace(examples[0], id="sums:copy")]
    folder, _ = run(tests=tests_of(twice))
    sets = json.loads((folder / "evaluation_last.json").read_text())["sets"]
    assert sets["choices"]["random_level"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert (sets["choices"]["constant_level"], sets["choices"]["multiple_choice_share"]) == (0.5, 1.0)
    assert (sets["sums"]["random_level"], sets["sums"]["multiple_choice_share"]) == (0.0, 0.0)
    assert (sets["sums"]["constant_answer"], sets["sums"]["constant_level"]) == (examples[0].answer, 0.5)
    assert sets["sums"]["stderr"] == 0.0 and sets["sums"]["items"] == 4


def test_averages_follow_from_the_items(run):
    folder, _ = run()
    found = json.loads((folder / "evaluation_last.json").read_text())
    items = pq.read_table(folder / "items_last.parquet").to_pylist()
    losses, matches = ([item for item in items if item["metric"] == name] for name in ("loss", "exact_match"))
    assert found["micro"]["loss"] == pytest.approx(
        sum(item["score"] * item["weight"] for item in losses) / sum(item["weight"] for item in losses)
    )
    assert found["micro"]["exact_match"] == sum(item["score"] for item in matches) / len(matches)
    assert found["macro"]["loss"] == pytest.approx(sum(each["loss"] for each in found["sets"].values()) / 2)


def test_items_have_one_schema_whatever_the_model_says(run):
    """A model that never gives an answer leaves a column of nulls; its type must not change with that."""
    folder, _ = run()
    best, last = (pq.read_table(folder / f"items_{name}.parquet") for name in ("best", "last"))
    assert set(best["extracted"].to_pylist()) == {None}
    assert best.schema == last.schema


def test_results_do_not_hang_on_the_batch_size(run):
    folder, _ = run()
    other, _ = run(part=PART.model_copy(update={"batch_size": 1}), name="other")
    for checkpoint in ("best", "last"):
        first, second = (pq.read_table(place / f"items_{checkpoint}.parquet") for place in (folder, other))
        assert first.equals(second)


@pytest.fixture
def pool(tmp_path):
    stored = store_artifact(tmp_path, "pool", "pool")
    pq.write_table(token_table(toy_examples(4, source="held_out")), stored.folder / "validation.parquet")
    return stored


def test_a_probe_gives_validation_and_samples_of_the_sets(tmp_path, pool, tests_of, expert):
    recipe = EvaluationRecipe(
        sets=(SourceRecipe(name="sums", licence="MIT", path="unused", format="text"),), sample=2, max_new_tokens=30
    )
    probe = probe_for(expert, recipe, pool=pool, tests=tests_of(), tokenizer=store_tokenizer(tmp_path))
    expert.train()
    scores = probe(expert)
    assert expert.training and not expert.eval().training
    assert set(scores) == {"validation", "sets", "micro", "macro", "cost"}
    assert scores["validation"]["items"] == 4
    assert [scores["sets"][name]["items"] for name in ("sums", "choices")] == [2, 2]
    assert set(scores["sets"]["sums"]) == {"loss", "exact_match", "items", "target_tokens"}
    assert scores["micro"]["exact_match"] == scores["macro"]["exact_match"] == 1.0
    cost = scores["cost"]
    assert cost.flops > 0 and cost.tokens > 0 and cost.seconds > 0


def test_held_out_examples_of_the_targets_kind_have_a_loss_of_their_own(pool):
    from winnow.evaluation.probe import validation_probe

    table = pq.read_table(pool.folder / "validation.parquet")
    pq.write_table(table.slice(1, 2), pool.folder / "target_validation.parquet")
    model = toy_model(spread=0.2)
    rows = validation_rows(table.slice(1, 2))
    naive = sum((naive_losses(model, rows.row(place), rows.target_from[place]) for place in range(2)), [])
    scores = validation_probe(pool)(model)
    assert scores["target_validation"] == {"loss": pytest.approx(sum(naive) / len(naive), rel=1e-5), "items": 2}
    assert scores["validation"]["items"] == 4 and scores["validation"]["loss"] != scores["target_validation"]["loss"]


def test_a_probes_losses_equal_a_plain_cross_entropy(pool, make_sets):
    rows = validation_rows(pq.read_table(pool.folder / "validation.parquet"))
    model = toy_model(spread=0.2)
    probe = build_probe(
        sets=make_sets(),
        held_out={"validation": rows},
        tokenizer=toy_tokenizer(),
        eos_id=0,
        max_new_tokens=2,
        batch_size=3,
    )
    naive = sum((naive_losses(model, rows.row(i), rows.target_from[i]) for i in range(4)), [])
    assert probe(model)["validation"]["loss"] == pytest.approx(sum(naive) / len(naive), rel=1e-5)
    first, second = probe(model), probe(model)
    assert first.pop("cost").flops == second.pop("cost").flops and first == second
