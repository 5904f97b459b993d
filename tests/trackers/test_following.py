"""What is told of a run, and that a tracker never holds it up: no tracker's package is needed here."""

import pickle
import threading

import pytest

from winnow.errors import RecipeError
from winnow.recipe import TrackersRecipe
from winnow.records import Cost
from winnow.trackers import courier
from winnow.trackers.finished import FinishedRun, send
from winnow.trackers.following import Following
from winnow.trackers.interface import MARKER, check_installed
from winnow.trackers.rows import cost_values, flat, rows_of

RECIPE = TrackersRecipe(tensorboard={})


class Remembered:
    """A tracker that keeps what it is told."""

    def __init__(self, fail_at=None):
        self.rows, self.fail_at, self.is_closed = [], fail_at, False

    def steps(self):
        return {step for step, _ in self.rows}

    def log(self, rows):
        if self.fail_at in [step for step, _ in rows]:
            raise ConnectionError("server\naway")
        self.rows += rows

    def summarize(self, numbers, texts):
        self.rows.append((None, numbers))

    def close(self):
        self.is_closed = True


@pytest.fixture
def opened(monkeypatch):
    """Makes every tracker's runs this object, or what this function does."""

    def use(run):
        opener = run if callable(run) else lambda *arguments: run
        monkeypatch.setattr("winnow.trackers.following.open_tracker", lambda tracker: opener)
        monkeypatch.setattr("winnow.trackers.finished.open_tracker", lambda tracker: opener)
        return run

    return use


def test_a_row_has_the_point_and_the_evaluation_of_its_step(records):
    steps, evaluations = records(3)
    rows = dict(rows_of(steps, evaluations))
    assert list(rows) == [0, 1, 2, 3]
    assert rows[2]["train/loss"] == 2.0
    assert rows[2]["sets/easy/loss"] == 1.5
    assert rows[2]["spent/evaluation_seconds"] == 2.0
    assert "train/loss" not in rows[0]
    assert "macro/exact_match" not in rows[2]
    assert all(MARKER in values for values in rows.values())
    assert rows_of(steps, evaluations, after=1) == [(2, rows[2]), (3, rows[3])]


def test_parameters_and_costs_have_flat_names():
    tree = {"training": {"freeze": ["a", "b"], "lora": {"r": 8}, "warmup": None}, "seed": 0}
    assert flat(tree) == {"training.freeze": '["a", "b"]', "training.lora.r": 8, "seed": 0}
    assert cost_values({"train": Cost(flops=2.0, tokens=3)})["cost/train/tokens"] == 3.0


def test_rows_are_handed_over_once_and_the_run_is_closed(opened, name, records):
    run = opened(Remembered())
    with Following(RECIPE, name, {})() as hear:
        for count in (1, 1, 2, 3):
            hear(*records(count))
    assert [step for step, _ in run.rows] == [0, 1, 2, 3]
    assert run.is_closed


def test_a_tracker_that_fails_is_one_warning_and_training_goes_on(opened, name, records):
    run = opened(Remembered(fail_at=2))
    with pytest.warns(UserWarning) as said, Following(RECIPE, name, {})() as hear:
        for count in range(1, 7):
            hear(*records(count))
    assert len(said) == 1
    assert "tracker tensorboard failed (ConnectionError: server away)" in str(said[0].message)
    assert "winnow track" in str(said[0].message)
    assert [step for step, _ in run.rows] == [0, 1]


def test_a_tracker_that_never_answers_is_given_up(opened, name, records, monkeypatch):
    monkeypatch.setattr(courier, "PATIENCE_SECONDS", 0.1)
    answer, run = threading.Event(), Remembered()
    opened(lambda *arguments: answer.wait(60) and run)
    with pytest.warns(UserWarning, match="no answer within 0.1 s"), Following(RECIPE, name, {})() as hear:
        hear(*records(2))
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "to tensorboard":
            thread.join()
    assert run.rows == []  # nothing comes late, when somebody else may be sending


def test_a_run_that_ends_with_an_error_ends_with_that_error(opened, name, records):
    run = opened(Remembered())
    with pytest.raises(KeyError), Following(RECIPE, name, {})() as hear:
        hear(*records(2))
        raise KeyError
    assert [step for step, _ in run.rows] == [0, 1, 2]


def test_without_trackers_nothing_is_opened(opened, name, records):
    opened(lambda *arguments: pytest.fail("opened"))
    threads = threading.active_count()
    with Following(TrackersRecipe(), name, {})() as hear:
        hear(*records(1))
        assert threading.active_count() == threads
    assert send(TrackersRecipe(), [FinishedRun(name)]) == []


def test_it_goes_to_other_processes(name):
    following = Following(RECIPE, name, {"seed": 0})
    assert pickle.loads(pickle.dumps(following)) == following


def test_one_tracker_that_fails_does_not_touch_the_others(monkeypatch, name, records):
    run, recipe = Remembered(), TrackersRecipe(tensorboard={}, mlflow={})
    openers = {"tensorboard": lambda *arguments: run, "mlflow": lambda *arguments: 1 / 0}
    monkeypatch.setattr("winnow.trackers.finished.open_tracker", openers.get)
    failed = send(recipe, [FinishedRun(name, rows=rows_of(*records(2)))])
    assert [(each.tracker, each.failure) for each in failed] == [("mlflow", "ZeroDivisionError: division by zero")]
    assert len(run.rows) == 4


def test_a_tracker_that_is_not_installed_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_installed(TrackersRecipe())
    with pytest.raises(RecipeError, match=r"trackers.mlflow needs the package mlflow.*winnow-lm\[trackers\]"):
        check_installed(TrackersRecipe(mlflow={}))
