"""Several answers to each prompt, as a stage of a study."""

import json

import pyarrow.parquet as pq
import pytest
from toys import store_artifact, store_tokenizer, token_table, toy_model, toy_tokenizer

from winnow.errors import DataError
from winnow.evaluation.sampling import sample_answers
from winnow.models import loading
from winnow.recipe import EvaluationRecipe, SamplingRecipe
from winnow.recipe.measuring import SamplePart
from winnow.records import Context

PART = SamplePart(
    checkpoint="last", num_samples=3, temperature=0.7, sets=None, limit=10, seed=1, max_new_tokens=30, batch_size=4
)
SETS = [{"name": "test", "licence": "MIT", "problems": {"examples": 5}}]


@pytest.fixture
def sample(tmp_path, expert, examples):
    """The rows that sampling leaves of a model that knows the items by heart."""

    def run(part=PART, model=expert, name="a", chosen=examples):
        trained = store_artifact(tmp_path, "train", f"run{name}")
        loading.save_model(model, trained.folder / "last", toy_tokenizer(), None)
        tests = store_artifact(tmp_path, "tests", f"tests{name}")
        table = token_table(chosen).drop_columns(["prompt_ids", "completion_ids"])
        pq.write_table(table, tests.folder / "tests.parquet")
        stored = store_artifact(tmp_path, "sample", name)
        inputs = {"run": trained, "tests": tests, "tokenizer": store_tokenizer(tmp_path)}
        outcome = sample_answers(part, inputs, Context(stored.folder))
        told = json.loads((stored.folder / "sampling.json").read_text())
        assert told == outcome.numbers and set(outcome.costs) == {"evaluate"}
        return pq.read_table(stored.folder / "answers.parquet").to_pylist(), outcome

    return run


def test_every_item_has_its_answers_and_an_expert_is_right(sample, examples):
    rows, outcome = sample(PART.model_copy(update={"temperature": 0.01}))
    assert len(rows) == 3 * len(examples) and outcome.numbers["items"] == len(examples)
    assert {row["set"] for row in rows} == {"sums", "choices"} and [row["sample"] for row in rows[:4]] == [0, 1, 2, 0]
    assert all(row["is_right"] and row["extracted"] == row["target"] for row in rows)
    assert outcome.numbers["right"] == len(rows)
    assert outcome.costs["evaluate"].flops > 0 and outcome.costs["evaluate"].tokens > 0


def test_answers_differ_and_do_not_depend_on_batch_or_other_items(sample, examples):
    model = toy_model(spread=0.3)
    rows, _ = sample(model=model)
    assert len({row["output"] for row in rows}) > len(rows) / 2
    for name, size in (("b", 1), ("c", 100)):
        assert sample(PART.model_copy(update={"batch_size": size}), model, name)[0] == rows
    known = {(row["id"], row["sample"]): row for row in rows}
    fewer, _ = sample(PART.model_copy(update={"num_samples": 2}), model, "d", examples[:2])
    assert len(fewer) == 4 and all(known[row["id"], row["sample"]] == row for row in fewer)


def test_sets_and_limit_choose_the_items(sample):
    rows, _ = sample(PART.model_copy(update={"sets": ("sums",), "limit": 2}))
    assert {row["set"] for row in rows} == {"sums"} and len(rows) == 2 * 3
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


def test_sets_without_final_answers_are_refused(sample):
    with pytest.raises(DataError, match=r"evaluation\.sampling: no item of its sets has a final answer"):
        sample(PART.model_copy(update={"sets": ("others",)}))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"num_samples": 4, "k": [1, 8]}, "evaluation.sampling.k has 8, and a prompt gets num_samples 4 answers"),
        ({"k": [0]}, "k"), ({"k": [2, 2]}, "k"), ({"temperature": 0}, "temperature"), ({"n": 5}, "n"),
    ],
)  # fmt: skip
def test_samples_that_cannot_be_drawn_are_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        SamplingRecipe.model_validate(asked)


def test_a_set_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"evaluation\.sampling\.sets names 'tests' \(did you mean 'test'\?\)"):
        EvaluationRecipe.model_validate({"sets": SETS, "sampling": {"sets": ["tests"]}})
