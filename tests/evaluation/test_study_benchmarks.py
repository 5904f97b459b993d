"""Benchmarks in a whole study: scored on the base and on every run, written, compared, charged to nobody."""

import benchmark_data
import pytest

from tests_support import SMALLEST
from winnow.analysis.find import find
from winnow.analysis.study_folder import load
from winnow.pipeline import run
from winnow.recipe.file import load_recipe

pytest.importorskip("lm_eval")


@pytest.mark.slow
def test_a_study_says_what_its_runs_forgot(finished_study, tmp_path):
    """Only the benchmarks are new: the runs come from the store."""
    data = benchmark_data.write(tmp_path)
    asked = f"{{tasks: [winogrande, boolq, gsm8k, piqa], data_dir: {data}, forgetting: [winogrande, boolq]}}"
    folder = finished_study.parent / "benchmarked"
    (tmp_path / "piqa" / "dev.jsonl.gz").unlink()
    run(load_recipe(SMALLEST, [f"evaluation.benchmarks={asked}"]), out=folder)
    findings, study = find(folder), load(folder)
    scores = findings.tables["benchmarks"].rows
    arms = ["zero_shot", *study.arms]
    assert [(row["arm"], row["task"]) for row in scores] == [(a, t) for a in arms for t in ("winogrande", "boolq")]
    assert all(
        row["items"] == 8 and 0 <= row["score"] <= 100 and row["unit"] == "%" and row["stderr"] is not None
        for row in scores
    )
    assert {row["constant"] for row in scores} == {50.0}
    by_arm = {arm: [row["score"] for row in scores if row["arm"] == arm] for arm in arms}
    for row in findings.tables["forgetting"].rows:
        drop = sum(by_arm["zero_shot"]) / 2 - sum(by_arm[row["arm"]]) / 2
        assert row["forgetting_points"] == pytest.approx(drop)
        assert row["forgetting_points_low"] <= row["forgetting_points"] <= row["forgetting_points_high"]
    left_out = {row["task"]: row["reason"] for row in findings.tables["benchmarks_left_out"].rows}
    assert "the model takes 256" in left_out["gsm8k"]
    assert "piqa/dev has no file" in left_out["piqa"]
    stage = study.stages["benchmark.boolq.full.s0"].artifact
    assert stage.costs["evaluate"].flops > 0
    assert stage.name not in {at for below in study.charged_below.values() for at in below if at == "train.full.s0"}
    assert (folder / "tables" / "forgetting.csv").is_file()
    assert any("forget" in note for note in findings.verdict.notes)


@pytest.mark.slow
def test_a_benchmark_that_is_added_leaves_the_others_as_they_are(finished_study, tmp_path):
    data = benchmark_data.write(tmp_path)
    folder = finished_study.parent / "widened"
    made = []
    for tasks in ("[boolq]", "[boolq, winogrande]"):
        asked = f"evaluation.benchmarks={{tasks: {tasks}, data_dir: {data}}}"
        run(load_recipe(SMALLEST, [asked]), out=folder, arm="full")
        made.append(load(folder).stages["benchmark.boolq.full.s0"].artifact)
    assert made[0] == made[1]
