"""Which measures a recipe asks for, what they make the model answer, and what may be compared."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from toys import store_artifact, store_tokenizer, token_table, toy_model, toy_tokenizer

from tests_support import SMALLEST
from winnow.errors import DataError
from winnow.evaluation.measured import answered, scores_of
from winnow.evaluation.measures import registry
from winnow.evaluation.measures.asking import AskedMeasure, asked_measures, measure_mistakes
from winnow.evaluation.measures.registry import Item, ItemScore, Measure
from winnow.evaluation.sets import EvaluationSet
from winnow.evaluation.stages import evaluate
from winnow.metrics import Metric
from winnow.mistakes import mistakes
from winnow.models import loading
from winnow.parts import EvaluatePart, asked
from winnow.recipe import MeasureRecipe
from winnow.recipe.file import load_recipe
from winnow.recipe.options import NoOptions
from winnow.records import Context

LENGTH = Metric("letters", higher_is_better=False, unit="letters")


def letters(items, *, options):
    for item in items:
        yield ItemScore(item.id, "letters", len(item.output), extracted=item.extracted)


@pytest.fixture
def letters_known(monkeypatch):
    """A measure that reads open answers, too."""
    registry.measures()
    made = Measure("letters", "Letters.", (LENGTH,), "greedy", True, NoOptions, letters)
    monkeypatch.setitem(registry.REGISTRY.parts, "letters", made)
    return made


def recipe(*changes):
    return load_recipe(SMALLEST, changes)


def test_the_usual_measures_are_not_told_apart_from_none():
    usual = [recipe(), recipe("evaluation.measures=[exact_match, loss]"), recipe("evaluation.measures=[exact_match]")]
    assert [each.evaluation.asked_beyond for each in usual] == [None] * 3
    fewer = recipe("evaluation.measures=[]").evaluation
    assert [each.name for each in fewer.asked] == ["loss"] and fewer.asked_beyond == fewer.asked
    part = EvaluatePart(checkpoints=("last",), max_new_tokens=3, batch_size=2)
    assert "measures" not in asked(part)
    assert asked(part.model_copy(update={"measures": fewer.asked}))["measures"] == [{"name": "loss", "options": {}}]


@pytest.mark.parametrize(("names", "places"), [
    (["loss"], []), (["loss", "exact_match"], [0, 2]), (["loss", "letters"], [0, 1, 2]),
])  # fmt: skip
def test_the_model_answers_what_some_measure_reads(letters_known, names, places):
    items = EvaluationSet("set", None, [[1]] * 3, ["A"] * 3, [0] * 3, None, (False, True, False))
    assert answered(asked_measures([MeasureRecipe(name=name) for name in names]), items) == places


TASKS = "evaluation.benchmarks={tasks: [hellaswag, arc_easy]}"


@pytest.mark.parametrize(("changes", "said"), [
    (["study.primary.metric=hellaswag", TASKS], None),
    (["study.primary.metric=strict_exact_match", "evaluation.measures=[exact_match, strict_exact_match]"], None),
    (["study.primary.metric=letters", "evaluation.measures=[letters]"], None),
    (["study.primary.metric=piqa", TASKS], "is 'piqa'; the study measures loss, exact_match, hellaswag, arc_easy"),
    (["study.primary.metric=hellaswig", TASKS], "did you mean 'hellaswag'"),
    (["study.primary.metric=exact_match", "evaluation.measures=[loss]"], "the study measures loss;"),
    (["study.primary={metric: hellaswag, aggregate: macro}", TASKS], "did you mean 'micro'?); allowed: micro"),
])  # fmt: skip
def test_the_primary_metric_has_to_be_measured(letters_known, changes, said):
    found = measure_mistakes(recipe(*changes))
    assert found == [] if said is None else len(found) == 1 and said in found[0]
    if said:
        assert found[0] in mistakes(recipe(*changes), must_exist=False), "before anything is spent"


@pytest.mark.parametrize("scores", [
    [ItemScore("b", "letters", 1.0)], [ItemScore("a", "words", 1.0)], [ItemScore("a", "letters", float("nan"))],
    [ItemScore("a", "letters", 1.0, weight=-1.0)], [ItemScore("a", "letters", 1.0)] * 2,
])  # fmt: skip
def test_a_measure_that_breaks_its_promises_is_named(letters_known, scores):
    broken = Measure("letters", "Letters.", (LENGTH,), "greedy", True, NoOptions, lambda items, options: scores)
    with pytest.raises(DataError, match="the measure letters gives '[ab]' the"):
        scores_of(AskedMeasure(broken, NoOptions()), [Item("a", "?", "1", 0, False, 1.0, 2, "one", None)])


def test_levels_stand_under_measured_with_what_is_known_of_the_metric(tmp_path, examples, letters_known):
    tests = store_artifact(tmp_path, "tests", "tests")
    table = token_table(examples).drop_columns(["prompt_ids", "completion_ids"])
    pq.write_table(table, tests.folder / "tests.parquet")
    run = store_artifact(tmp_path, "train", "run")
    loading.save_model(toy_model(), run.folder / "last", toy_tokenizer(), None)
    inputs = {"run": run, "tests": tests, "tokenizer": store_tokenizer(tmp_path)}
    names = "loss", "letters"
    part = EvaluatePart(
        checkpoints=("last",), max_new_tokens=9, batch_size=4, measures=[MeasureRecipe(name=each) for each in names]
    )
    stored = store_artifact(tmp_path, "evaluate", "scores")
    evaluate(part, inputs, Context(stored.folder))
    found = json.loads((stored.folder / "evaluation_last.json").read_text())
    assert found["metrics"]["letters"]["higher_is_better"] is False
    assert found["micro"]["exact_match"] is None, "it is not asked for"
    rows = pq.read_table(stored.folder / "items_last.parquet").to_pylist()
    lengths = [len(row["output"]) for row in rows if row["metric"] == "letters"]
    assert len(lengths) == len(examples) and {row["output"] for row in rows if row["metric"] == "loss"} == {None}
    assert found["micro"]["measured"] == {"letters": pytest.approx(np.mean(lengths))}
