import json
import shutil
import urllib.error
import urllib.request

import pytest

from tests_support import copy_store
from winnow.analysis.find import curve_of, find
from winnow.analysis.study_records import Evaluation
from winnow.errors import ArtifactError
from winnow.records import from_json
from winnow.store import read_json, write_json
from winnow.study.folder import RUNNING
from winnow.verbs.watch import live_page, look, serving, with_running

RUN = "train.herding_0.25.s0"


@pytest.fixture
def unfinished(finished_study, tmp_path):
    """A study of which one run is on its way: its results are gone, and it works in a draft with one checkpoint."""
    root = tmp_path / "runs"
    copy_store(finished_study, root)
    (root / "s").mkdir()
    shutil.copy(finished_study / "recipe.yaml", root / "s" / RUNNING)
    stages = {each["name"]: each for each in read_json(finished_study / "records" / "stages.json")}
    shutil.rmtree(root / ".store" / "evaluate" / stages["evaluate.herding_0.25.s0"]["fingerprint"])
    artifact = root / ".store" / "train" / stages[RUN]["fingerprint"]
    draft = artifact.with_name(f"{artifact.name}.partial")
    records = read_json(artifact / "training_records.json")
    write_json(draft / "checkpoints" / "step_0000000005" / "counts.json", tally_at(records, 5))
    lines = (
        json.dumps({"wasted": {"seconds": 400.0}}),
        json.dumps({"spent": {"seconds": 3600.0, "tokens": 7}}),
        '{"spent": {"sec',
    )
    (draft / "spent.jsonl").write_text("\n".join(lines))
    shutil.rmtree(artifact)
    return root / "s"


def tally_at(records, step):
    """What a run with these records had counted at a step."""
    evaluations = [row for row in records["evaluations"] if row["step"] <= step]
    return {
        "step": step, "visits": 80, "spent": {"seconds": 2.0}, "evaluating": {"seconds": 1.0}, "steps": [],
        "evaluations": evaluations, "best_step": evaluations[-1]["step"], "best_value": 3.0, "pending": [],
    }  # fmt: skip


@pytest.mark.slow
def test_a_run_on_its_way_is_seen_with_its_curve_and_its_money(unfinished, finished_study):
    seen = look(unfinished)
    before = look_at_finished(finished_study)
    assert (len(seen.done), seen.wanted) == (before.wanted - 2, before.wanted)
    assert list(seen.present.drafts) == [RUN] and "train.herding_0.25.s0 (step 5)" in seen.text
    others = sum(cost.seconds for each in seen.done.values() for cost in each.artifact.costs.values())
    assert seen.spent.seconds == pytest.approx(others + 4000)
    findings = with_running(find(finished_study), seen)
    assert {curve.arm for curve in findings.curves} >= {"herding_0.25", "full"}
    page = live_page(seen)
    assert "connect-src 'self'" in page and f'data-version="{seen.version}"' in page and seen.text in page
    assert '{"arm":"herding_0.25","seed":0,' in page


def look_at_finished(study):
    return look(study, study.parent / ".store")


@pytest.mark.slow
def test_what_was_done_is_not_looked_for_again(unfinished, finished_study):
    seen = look(unfinished)
    stages = {each["name"]: each for each in read_json(finished_study / "records" / "stages.json")}
    name = stages["pool"]["fingerprint"]
    shutil.rmtree(unfinished.parent / ".store" / "pool" / name)
    assert look(unfinished, before=seen).done.keys() == seen.done.keys()
    assert "pool" not in look(unfinished).done


@pytest.mark.slow
def test_a_finished_study_says_so(finished_study):
    seen = look_at_finished(finished_study)
    assert "; finished; " in seen.text and not seen.present.drafts
    assert seen.version == look_at_finished(finished_study).version


@pytest.mark.slow
def test_the_server_answers_this_machine_alone(unfinished):
    with serving(unfinished) as address:
        assert address.startswith("http://127.0.0.1:")
        assert asked(address, "state.json")["total"] > 0
        with urllib.request.urlopen(address) as answer:
            assert b'id="live"' in answer.read()
        for path, host, status in (("", "evil.example:80", 403), ("recipe.yaml", None, 404), ("../s", None, 404)):
            request = urllib.request.Request(address + path, headers={"Host": host} if host else {})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request)
            assert refused.value.code == status
        taken = int(address.rstrip("/").rpartition(":")[2])
        with pytest.raises(ArtifactError, match="cannot be used .+--port"), serving(unfinished, port=taken):
            pass


def asked(address, path):
    with urllib.request.urlopen(address + path) as answer:
        return json.load(answer)


def test_a_study_that_has_not_begun_is_one_line(tmp_path):
    with pytest.raises(ArtifactError, match="no run of .+ has begun"):
        look(tmp_path)


def test_the_curve_of_an_unfinished_run_is_its_evaluations():
    scores = {"validation": {"loss": 3.0}, "sets": {"easy": {"loss": 2.5, "exact_match": 0.1}},
              "micro": {"loss": 2.5, "exact_match": 0.1}, "macro": {"loss": 2.5}}  # fmt: skip
    row = {"step": 0, "tokens": 0, "flops": 0.0, "seconds": 0.0, "evaluation_seconds": 0.0} | scores
    rows = [from_json(Evaluation, each) for each in (row, row | {"step": 5, "tokens": 90})]
    curve = curve_of("full", 1, 5, rows)
    assert (curve.steps, curve.tokens, curve.best_step) == ((0, 5), (0, 90), 5)
    assert curve.set_exact_match == {"easy": (0.1, 0.1)}
