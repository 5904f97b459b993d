"""A whole study and its trackers: nothing but the trackers notices them."""

import json
import shutil

import pytest

from tests_support import SMALLEST, copy_study
from winnow.errors import RecipeError
from winnow.pipeline import advance, report, track
from winnow.recipe.file import load_recipe
from winnow.store import Store
from winnow.trackers.interface import RunName
from winnow.walk import Watch

pytestmark = pytest.mark.slow
RUN = "train.random_0.25.s0"


class Counting(Watch):
    """Remembers what was made."""

    def __init__(self):
        self.made = []

    def stage(self, name, kind):
        self.made.append(name)
        return super().stage(name, kind)


@pytest.fixture
def study(finished_study, tmp_path):
    """A finished study of one's own, with its store."""
    return copy_study(finished_study, tmp_path / "studies")


def curves(folder):
    """Of all runs in a folder of event files: run -> metric -> [(step, value)]."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for place in sorted(folder.iterdir()):
        events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
        found[place.name] = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return found


def artifact_of(study):
    (entry,) = [each for each in json.loads((study / "records/stages.json").read_text()) if each["name"] == RUN]
    return entry


def test_trackers_change_no_fingerprint_and_no_bit_and_hear_the_whole_run(study, tmp_path):
    before, store = artifact_of(study), Store(study.parent / ".store")
    shutil.rmtree(store.folder("train", before["fingerprint"]))
    watch = Counting()
    recipe = load_recipe(SMALLEST, [f"trackers.tensorboard.folder={tmp_path / 'events'}"])
    walk = advance(recipe, "train", out=study, arm="random_0.25", watch=watch)
    assert watch.made == [RUN]
    after = walk.done[RUN].artifact
    assert (after.fingerprint, after.digest) == (before["fingerprint"], before["digest"])
    records = json.loads((walk.done[RUN].folder / "training_records.json").read_text())
    (told,) = curves(tmp_path / "events" / "smallest").values()
    points = {entry["step"]: entry["loss"] for entry in records["steps"]}
    assert dict(told["train/loss"]) == pytest.approx(points, rel=1e-6)
    evaluations = {entry["step"]: entry["validation"]["loss"] for entry in records["evaluations"]}
    assert dict(told["validation/loss"]) == pytest.approx(evaluations, rel=1e-6)


def test_a_finished_study_is_sent_afterwards_once(study, tmp_path):
    override = f"trackers.tensorboard.folder={tmp_path / 'events'}"
    assert track(study, [override]) == track(study, [override]) == 4
    told = curves(tmp_path / "events" / "smallest")
    assert {name.rsplit("-", 1)[0] for name in told} == {
        "full.s0", "random_0.25.s0", "equal_shares_0.25.s0", "herding_0.25.s0", "verdict",
    }  # fmt: skip
    artifact = artifact_of(study)
    metrics = told[RunName("smallest", "random_0.25.s0", artifact["fingerprint"][:12]).id.removeprefix("smallest-")]
    assert metrics["cost/train/flops"] == [(0, pytest.approx(artifact["costs"]["train"]["flops"], rel=1e-6))]
    final = json.loads((study / "records/evaluation.random_0.25_best.json").read_text())
    assert metrics["final/best/micro/loss"] == [(0, pytest.approx(final["micro"]["loss"], rel=1e-6))]
    (verdict,) = [metrics for name, metrics in told.items() if name.startswith("verdict")]
    gain = report(study).verdict.primary.gain
    assert verdict["gain/mean"] == [(0, pytest.approx(gain.mean, rel=1e-6))]


def test_a_study_without_trackers_asks_for_one(study):
    with pytest.raises(RecipeError, match=r"--set trackers.tensorboard=\{\}"):
        track(study)
    with pytest.raises(RecipeError, match="did you mean 'tensorboard'"):
        track(study, ["trackers.tensorbord={}"])
