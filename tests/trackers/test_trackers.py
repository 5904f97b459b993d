"""Every tracker, the real one on this machine: what was recorded arrives, once, live and afterwards."""

import pytest

from winnow.trackers.finished import FinishedRun, send
from winnow.trackers.following import Following
from winnow.trackers.rows import rows_of

pytestmark = pytest.mark.slow
PARAMETERS = {"arm": "full", "seed": 3, "training.learning_rate": 2e-4}


def follow(tracker, name, told):
    """Follow a run that tells these records one after another."""
    with Following(tracker.recipe, name, PARAMETERS)() as hear:
        for steps, evaluations in told:
            hear(steps, evaluations)


def points_of(records, key):
    return [(entry["step"], pytest.approx(entry[key], rel=1e-6)) for entry in records]


def test_points_evaluations_and_parameters_arrive(tracker, name, records):
    steps, evaluations = records(5)
    follow(tracker, name, [records(count) for count in range(1, 6)])
    assert tracker.curve(name, "train/loss") == points_of(steps, "loss")
    assert tracker.curve(name, "train/learning_rate") == points_of(steps, "learning_rate")
    assert tracker.curve(name, "spent/flops")[1:] == points_of(steps, "flops")
    assert tracker.curve(name, "validation/loss") == [(entry["step"], 2.0 + entry["step"]) for entry in evaluations]
    assert tracker.curve(name, "sets/easy/exact_match") == [(entry["step"], 0.25) for entry in evaluations]
    parameters, _ = tracker.told(name)
    assert parameters == {key: str(value) for key, value in PARAMETERS.items()}


def test_a_resumed_run_goes_on_without_a_gap_or_a_point_twice(tracker, name, records):
    follow(tracker, name, [records(3)])
    # The kill came after a checkpoint at step 2: step 3 is done, and told, again.
    follow(tracker, name, [records(2), records(3), records(4)])
    assert [step for step, _ in tracker.curve(name, "train/loss")] == [1, 2, 3, 4]
    assert [step for step, _ in tracker.curve(name, "validation/loss")] == [0, 2, 4]


def test_a_finished_run_sends_what_is_missing_and_its_sums_once(tracker, name, records):
    follow(tracker, name, [records(2)])
    steps, evaluations = records(4)
    finished = FinishedRun(name, PARAMETERS, rows_of(steps, evaluations), {"cost/train/flops": 4e3}, {"verdict": "no"})
    for _ in range(2):
        assert send(tracker.recipe, [finished]) == []
    assert tracker.curve(name, "train/loss") == points_of(steps, "loss")
    assert tracker.curve(name, "cost/train/flops") == [(0, 4e3)]
    assert tracker.told(name)[1] == {"verdict": "no"}


def test_a_new_verdict_replaces_the_old_one(tracker, name):
    for text, gain in (("no", 0.5), ("yes", 0.75)):
        assert send(tracker.recipe, [FinishedRun(name, numbers={"gain/mean": gain}, texts={"verdict": text})]) == []
    assert tracker.told(name)[1] == {"verdict": "yes"}
    assert tracker.curve(name, "gain/mean")[-1] == (0, 0.75)


def test_more_rows_than_a_request_takes(tracker, name, records):
    steps, evaluations = records(150)
    assert send(tracker.recipe, [FinishedRun(name, rows=rows_of(steps, evaluations))]) == []
    assert tracker.curve(name, "train/loss") == points_of(steps, "loss")
