"""What plans say of evaluation and of a run's whole, beside what runs use."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests_support import SMALLEST
from winnow.analysis.find import find
from winnow.analysis.study_folder import load
from winnow.ledger import metered, total
from winnow.models.costs import Coefficients, FlopModel
from winnow.recipe import MachineRecipe
from winnow.recipe.file import load_recipe
from winnow.records import Prediction, to_json
from winnow.store import sealed, write_json
from winnow.study.predictions import PREDICTED, read_predictions, trained_arms
from winnow.study_files import PREDICTIONS
from winnow.verbs import predicting
from winnow.verbs.planned_evaluation import Looks, evaluation_of, final_of, num_evaluations
from winnow.verbs.planned_pool import PlannedPool, PlannedSet, pool_of
from winnow.verbs.planned_speed import STEP_SECONDS, WRITING, Speed, seconds_of

COSTS = FlopModel(
    Coefficients(100.0, 10.0, 1.0), Coefficients(300.0, 30.0, 3.0), Coefficients(100.0, 0.0, 1.0), 1000, 1000
)
SAID = Prediction(
    steps=10, tokens=1000, flops=2e9, seconds=5.0, memory_bytes=2**21, evaluation_flops=1e9, evaluation_seconds=2.0,
    dollars=0.1,
)  # fmt: skip


def lengths(*values):
    return np.array(values, dtype=np.int64)


def one_set(name="a", open_at=()):
    is_open = np.array([place in open_at for place in range(3)])
    return PlannedSet(name, lengths(5, 6, 7), lengths(3, 90, 4), is_open)


def pool_with(*sets, validation=(8, 9)):
    return PlannedPool(lengths(10, 20), False, validation=lengths(*validation), sets=sets)


def recipe_with(**evaluation):
    recipe = load_recipe(SMALLEST)
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=evaluation)})


def passed(*values):
    """FLOPs of passes over rows of these lengths, one after the other."""
    return sum(110.0 * value + value**2 for value in values)


def test_an_evaluation_reads_rows_once_and_writes_answers_on_top():
    looks = final_of(recipe_with(max_new_tokens=32, batch_size=2), COSTS, pool_with(one_set()))
    rows, answers = passed(8, 96, 11), [(5, 3), (6, 32), (7, 4)]
    written = sum(passed(prompt + more) - passed(prompt) for prompt, more in answers)
    assert looks == Looks(rows + written, 8 + 96 + 11 + 39, written, 2 * 32)


def test_open_answers_are_read_and_not_written():
    recipe = recipe_with(max_new_tokens=32, batch_size=8)
    none, some = (final_of(recipe, COSTS, pool_with(one_set(open_at=at))) for at in ((0, 1, 2), (1,)))
    assert none == Looks(passed(8, 96, 11), 115)
    assert some.tokens == 115 + 3 + 4


def test_nothing_is_written_where_the_loss_alone_is_asked_for():
    looks = final_of(recipe_with(measures=("loss",)), COSTS, pool_with(one_set()))
    assert looks == Looks(passed(8, 96, 11), 115)


def test_a_run_is_looked_at_on_its_way_and_twice_at_its_end():
    recipe, pool = recipe_with(every_steps=4, sample=1, measures=("loss",)), pool_with(one_set(), one_set("b"))
    looks = evaluation_of(recipe, COSTS, pool, steps=9)
    assert looks.flops == 4 * passed(8, 9, 8, 8) + 2 * 2 * passed(8, 96, 11)
    assert evaluation_of(recipe, COSTS, pool, steps=0).flops == passed(8, 9, 8, 8) + 2 * passed(8, 96, 11)


@pytest.mark.parametrize(
    ("steps", "every", "count"), [(0, 5, 1), (1, 5, 2), (4, 5, 2), (5, 5, 2), (6, 5, 3), (10, 5, 3), (12, 1, 13)]
)
def test_evaluations_on_the_way_are_those_of_the_loop(steps, every, count):
    found = {0, steps} | {step for step in range(1, steps + 1) if step % every == 0}
    assert num_evaluations(steps, every) == len(found) == count


def test_a_declared_pool_tells_nothing_of_evaluation():
    declared = replace(pool_with(one_set()), is_declared=True)
    assert evaluation_of(recipe_with(), COSTS, declared, steps=9) == Looks()


def benchmark_looks(**asked):
    from winnow.recipe.evaluation import BenchmarksRecipe

    recipe = recipe_with(benchmarks=BenchmarksRecipe.model_validate(asked))
    return final_of(recipe, COSTS, replace(pool_with(), tokens_per_letter=0.5))


def test_benchmarks_are_sized_by_their_data(tmp_path):
    (tmp_path / "piqa").mkdir()
    rows = [{"goal": "g" * 10, "sol1": "a" * 4, "sol2": "b" * 6, "label": 0}] * 3
    (tmp_path / "piqa" / "dev.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    asked = {"tasks": ["piqa"], "data_dir": str(tmp_path)}
    assert benchmark_looks(**asked) == Looks(3 * passed(10), 30)
    assert benchmark_looks(**asked, limit=2) == Looks(2 * passed(10), 20)
    assert benchmark_looks(**asked, num_fewshot={"piqa": 1}) == Looks(3 * passed(20), 60)
    assert benchmark_looks(tasks=["boolq"], data_dir=str(tmp_path)) == Looks()


def test_benchmarks_without_data_are_of_their_usual_size():
    few, all_items = benchmark_looks(tasks=["gsm8k"], limit=10), benchmark_looks(tasks=["gsm8k"])
    assert all_items.tokens == 131.9 * few.tokens
    assert benchmark_looks(tasks=["mmlu"], limit=1).tokens / benchmark_looks(tasks=["mmlu"]).tokens == 57 / 14_042


def speed(is_cpu=True, **machine):
    return Speed(MachineRecipe(flops_per_second=1e9, **machine), "estimated", is_cpu=is_cpu)


def test_writing_answers_takes_longer_than_reading_on_a_cpu():
    looks = Looks(flops=5e9, tokens=7, written_flops=1e9, written_steps=10)
    assert seconds_of(looks, speed(is_cpu=False)) == 5
    assert seconds_of(looks, speed()) == pytest.approx(4 + WRITING + 10 * STEP_SECONDS)
    assert seconds_of(looks, speed(fixed_seconds=60)) == 0


def table(folder, name, **columns):
    """A Parquet file of these columns."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / name)


@pytest.fixture
def done(tmp_path):
    """A pool and evaluation sets, as their stages leave them."""

    class Made:
        def __init__(self, folder):
            self.folder = folder

    ids = {"prompt_ids": [[1, 2], [3, 4, 5]], "completion_ids": [[6], [7, 8, 9]], "source": ["a", "b"]}
    table(tmp_path, "pool/train.parquet", prompt=["abcd", "abcdef"], completion=["xy", "xyzxyz"], **ids)
    table(tmp_path, "pool/validation.parquet", **{name: lists[1:] for name, lists in ids.items()})
    tests = {"source": ["t", "s", "t"], "id": ["3", "2", "1"], "prompt": ["a" * 8, "b" * 4, "c" * 2]}
    table(tmp_path, "tests/tests.parquet", completion=["x" * 10, "y" * 2, "z" * 4], **tests)
    return {name: Made(tmp_path / name) for name in ("pool", "tests")}


def test_evaluation_sets_are_sized_by_the_pools_tokens_per_letter(done):
    found = pool_of(done, ("told",))
    assert found.lengths.tolist() == [3, 6] and found.validation.tolist() == [6]
    assert (found.warnings, found.targets_share, found.tokens_per_letter) == (("told",), 4 / 9, 0.5)
    sets = {each.name: (each.prompts.tolist(), each.completions.tolist(), each.is_open.any()) for each in found.sets}
    assert sets == {"t": ([1, 4], [2, 5], False), "s": ([2], [1], False)}


def test_open_answers_are_known_by_their_column(done):
    path = done["tests"].folder / "tests.parquet"
    pq.write_table(pq.read_table(path).append_column("is_open", pa.array([True, False, None])), path)
    assert {each.name: each.is_open.tolist() for each in pool_of(done).sets} == {"t": [False, True], "s": [False]}


def leave(folder, name, **arms):
    write_json(folder / name, sealed({"arms": {arm: to_json(each) for arm, each in arms.items()}}))


def test_what_was_predicted_first_is_kept(tmp_path):
    (tmp_path / "records").mkdir()
    later = replace(SAID, tokens=7)
    leave(tmp_path, PREDICTED, a=later, b=later)
    leave(tmp_path, PREDICTIONS, a=SAID)
    assert read_predictions(tmp_path) == {"a": SAID, "b": later}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"arms": {"a": {}}}', '{"arms": {}, "seal": "x"}'])
def test_damaged_predictions_are_none(tmp_path, text):
    (tmp_path / PREDICTED).write_text(text)
    assert read_predictions(tmp_path) == {}
    assert trained_arms(tmp_path) == set()


class Began:
    """A walk that notes that it began."""

    done = {}

    def __init__(self):
        self.began = 0

    def begin(self):
        self.began += 1


@pytest.fixture
def planned(monkeypatch):
    """Which arms are predicted; the same of each."""
    found = []

    def predictions(recipe, arms, done, **places):
        found.append([arm.name for arm in arms])
        return {arm.name: SAID for arm in arms}

    monkeypatch.setattr(predicting, "predictions", predictions)
    return found


class Named:
    def __init__(self, name):
        self.name = name


def test_an_arm_is_predicted_once_and_before_it_trains(tmp_path, planned):
    (tmp_path / "records").mkdir()
    stages = [{"kind": "train", "arm": "trained"}, {"kind": "select", "arm": "a"}, {"kind": "train", "arm": None}]
    (tmp_path / "records" / "stages.json").write_text(json.dumps(stages))
    walk, arms = Began(), [Named("a"), Named("trained")]
    for more in ([], [Named("b")], []):
        predicting.keep_predictions(tmp_path, None, [*arms, *more], walk, tmp_path)
    assert planned == [["a", "trained"], ["a", "trained", "b"]] and walk.began == 2
    assert set(read_predictions(tmp_path)) == {"a", "b"}


def test_a_refused_study_leaves_no_prediction(tmp_path, planned):
    class Refused(Began):
        def begin(self):
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        predicting.keep_predictions(tmp_path / "s", None, [Named("a")], Refused(), tmp_path)
    assert not planned and not (tmp_path / "s").exists()


@pytest.mark.slow
def test_a_finished_study_used_what_was_predicted(finished_study):
    """Counts to a few percent; evaluation, whose answers end when the model ends them, to a third."""
    rows = find(finished_study).tables["predicted"].rows
    assert {row["arm"] for row in rows} == set(load(finished_study).arms)
    for row in rows:
        assert row["steps_ratio"] == 1
        assert row["tokens_ratio"] == pytest.approx(1, abs=0.1)
        assert row["exaflops_ratio"] == pytest.approx(1, abs=0.1)
        assert 2 / 3 < row["evaluation_exaflops_ratio"] < 1.5
        assert row["seconds_predicted"] > 0 and row["evaluation_seconds_predicted"] > 0
        assert row["memory_mib_predicted"] > 0 and row["memory_mib"] is None


@pytest.mark.slow
def test_what_was_used_is_what_the_records_say(finished_study):
    study = load(finished_study)
    (row,) = (row for row in find(finished_study).tables["predicted"].rows if row["arm"] == "full")
    (run,) = study.runs_of("full").values()
    looked = total(metered(each.artifact, ("evaluate",)) for each in study.stages.values() if each.arm == "full")
    assert (row["tokens"], row["steps"]) == (run.costs["train"].tokens, run.plan.steps)
    assert row["exaflops"] == pytest.approx(run.costs["train"].flops / 1e18)
    assert row["evaluation_seconds"] == pytest.approx(looked.seconds)


@pytest.mark.slow
def test_the_page_shows_what_was_predicted(finished_study):
    assert "Predicted and used" in (finished_study / "report.html").read_text()
    assert (finished_study / "tables" / "predicted.csv").read_text().count("\n") == 5
    assert PREDICTIONS in json.loads((finished_study / "study.json").read_text())["files"]
