"""What every measure promises; a new one is tested here by being registered, those of other packages too."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.toys import store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer
from winnow.errors import RecipeError
from winnow.evaluation.levels import level_of
from winnow.evaluation.measured import scores_of
from winnow.evaluation.measures import registry
from winnow.evaluation.measures.asking import asked_measures
from winnow.evaluation.measures.registry import Item
from winnow.evaluation.stages import evaluate
from winnow.metrics import Metric
from winnow.models import loading
from winnow.parts import EvaluatePart
from winnow.recipe import MeasureRecipe
from winnow.records import Context

KNOWN = registry.measures()
NAMES = sorted(KNOWN)


def asked(name, **options):
    return asked_measures([MeasureRecipe(name=name, options=options)])[0]


def made_items(size=12):
    """Items with answers that are right, wrong, empty and declared; some of them open."""
    rng = np.random.default_rng(5)
    outputs = ["so 12.\n#### 12", "it is 7", "", "#### 12 because 1, 2", "no idea"]
    read = ["12", "7", None, "12", None]
    return [
        Item(
            id=f"set:{place:03d}", prompt=f"How much is {place}?", target="12", num_options=4 * (place % 2),
            is_open=place % 5 == 4, loss=float(rng.random() * 9), target_tokens=int(rng.integers(1, 9)),
            output=outputs[place % 5], extracted=read[place % 5], target_bytes=3 * place + 1,
        )
        for place in range(size)
    ]  # fmt: skip


def told(name, items):
    return {(score.id, score.metric): score for score in scores_of(asked(name), items)}


@pytest.mark.parametrize("name", NAMES)
def test_each_item_is_scored_by_itself(name):
    """In whatever batches, in whatever order."""
    items = made_items()
    whole = told(name, items)
    assert whole and told(name, items[::-1]) == whole
    for size in (1, 5):
        cuts = [items[start : start + size] for start in range(0, len(items), size)]
        assert {key: score for cut in cuts for key, score in told(name, cut).items()} == whole


@pytest.mark.parametrize("name", NAMES)
def test_it_scores_the_items_it_is_asked_of_by_its_own_metrics(name):
    items, measure = made_items(), KNOWN[name]
    whole = told(name, items)
    shown = {item.id for item in items if measure.of_open or not item.is_open}
    assert {item for item, _ in whole} <= shown
    assert {metric for _, metric in whole} == {metric.name for metric in measure.metrics}
    for (_, metric), score in whole.items():
        facts = next(each for each in measure.metrics if each.name == metric)
        assert facts.within(score.score) == score.score and score.weight >= 0
    assert told(name, items) == whole, "a second look gives the same"
    assert told(name, []) == {}


@pytest.mark.parametrize("name", NAMES)
def test_it_needs_no_answers_unless_it_says_so(name):
    if KNOWN[name].answers == "none":
        items = [dataclasses.replace(item, output=None, extracted=None) for item in made_items()]
        assert told(name, items) == told(name, made_items())


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_line_what_it_is_and_of_each_metric_what_is_needed_to_compare(name):
    measure = KNOWN[name]
    assert measure.summary.endswith(".") and len(measure.summary) < 80
    assert measure.metrics and len({metric.name for metric in measure.metrics}) == len(measure.metrics)
    for metric in measure.metrics:
        assert metric.unit.isalnum() or not metric.unit, "one word, which column names carry"


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_it_does_not_have_is_refused(name):
    with pytest.raises(RecipeError, match=f"unknown option nonsense of measure {name}"):
        registry.check(name, {"nonsense": 1})


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Evaluate a toy model by one measure, in batches of this size: its folder, and its items as rows."""
    root = tmp_path_factory.mktemp("measured")
    tests = store_artifact(root, "tests", "tests")
    table = token_table([*toy_examples(3), *toy_examples(2, source="other")])
    pq.write_table(table.drop_columns(["prompt_ids", "completion_ids"]), tests.folder / "tests.parquet")
    trained = store_artifact(root, "train", "run", {"best_step": 1, "steps": 5})
    loading.save_model(toy_model(spread=0.2), trained.folder / "last", toy_tokenizer(), None)
    inputs = {"run": trained, "tests": tests, "tokenizer": store_tokenizer(root)}

    def build(name, batch_size):
        part = EvaluatePart(
            checkpoints=("last",), max_new_tokens=12, batch_size=batch_size,
            measures=(MeasureRecipe(name="loss"), *([MeasureRecipe(name=name)] if name != "loss" else [])),
        )  # fmt: skip
        stored = store_artifact(root, "evaluate", f"{name}_{batch_size}")
        evaluate(part, inputs, Context(stored.folder))
        return stored.folder, pq.read_table(stored.folder / "items_last.parquet")

    return build


@pytest.mark.parametrize("name", NAMES)
def test_no_result_hangs_on_the_batch_size(name, run_of):
    (_, small), (_, large) = run_of(name, 1), run_of(name, 8)
    assert small.drop_columns(["score"]).equals(large.drop_columns(["score"]))
    assert small["score"].to_numpy() == pytest.approx(large["score"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_levels_and_errors_follow_from_the_items_that_are_kept(name, run_of):
    folder, table = run_of(name, 8)
    found, rows = json.loads((folder / "evaluation_last.json").read_text()), table.to_pylist()
    for metric in KNOWN[name].metrics:
        own = [row for row in rows if row["metric"] == metric.name]
        assert len({(row["set"], row["id"]) for row in own}) == len(own) > 0
        for place, scores in [*found["sets"].items(), ("micro", found["micro"])]:
            kept = [row for row in own if place in ("micro", row["set"])]
            values, weights = ([row[key] for row in kept] for key in ("score", "weight"))
            level, stderr = level_of(metric, values, weights)
            mean = np.average(values, weights=weights)
            assert level == pytest.approx(np.exp(-mean) if metric.is_perplexity else mean)
            assert level_in(scores, metric) == pytest.approx(level)
            if place != "micro" and metric.name in scores.get("measured", {}):
                assert scores["measured"][metric.name]["stderr"] == pytest.approx(stderr)
        sets = [level_in(scores, metric) for scores in found["sets"].values()]
        assert level_in(found["macro"], metric) == pytest.approx(np.mean(sets))


def level_in(scores, metric):
    found = scores["measured"][metric.name] if metric.name in scores.get("measured", {}) else scores[metric.name]
    return found["level"] if isinstance(found, dict) else found


def test_the_error_of_a_mean_is_the_usual_one():
    rng = np.random.default_rng(0)
    values = rng.random(40)
    level, stderr = level_of(Metric("x", higher_is_better=True), values.tolist(), [1.0] * 40)
    assert (level, stderr) == pytest.approx((values.mean(), values.std(ddof=1) / np.sqrt(40)))
    assert level_of(Metric("x", higher_is_better=True), [], []) == (None, None)
    assert level_of(Metric("x", higher_is_better=True), [3.0], [2.0]) == (3.0, None)
