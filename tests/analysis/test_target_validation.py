"""A study that aims at a target: best checkpoints and levels go by held-out examples of its kind."""

import json

import pytest
from study_factory import write_study

from winnow.analysis.find import find
from winnow.analysis.frontier import baseline_level
from winnow.analysis.study_folder import load
from winnow.analysis.verdict import judge
from winnow.report.figures import drawn_figures
from winnow.report.page_data import page_data
from winnow.report.terminal import caption


def aim(folder, *, items=80):
    """The records as `best_by: target` leaves them: herding is far ahead there, and on validation nowhere."""
    for path in folder.glob("training_records.*.json"):
        tree = json.loads(path.read_text())
        ahead = 0.3 if "herding" in tree["arm"] else 0.0
        for row in tree["evaluations"]:
            loss = row["validation"]["loss"]
            row["target_validation"] = {"loss": 2 * loss - ahead * (row["step"] > 0), "items": items}
            row["validation"]["loss"] = 3.0 - row["step"] / 1000 + (0.5 if ahead else 0.0)
        best = min(tree["evaluations"], key=lambda row: row["target_validation"]["loss"])
        tree["best"] = {"step": best["step"], "value": best["target_validation"]["loss"], "by": "target"}
        path.write_text(json.dumps(tree))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return aim(write_study(tmp_path_factory.mktemp("study") / "s"))


def test_the_level_is_of_the_targets_kind_and_the_sentence_says_so(folder):
    study = load(folder)
    runs = [json.loads(path.read_text()) for path in folder.glob("training_records.full*.json")]
    best = [min(row["target_validation"]["loss"] for row in tree["evaluations"]) for tree in runs]
    assert baseline_level(study, "full") == pytest.approx(sum(best) / len(best))
    found = judge(study)
    assert "(micro, best checkpoint by target validation loss, 3 seeds)" in found.sentence
    assert "selection saved" in found.sentence and "to full's best target validation loss" in found.sentence
    assert found.saving.num_never == 0, "on validation it would never have been reached"


def test_tables_figures_and_console_say_which_loss_is_meant(folder):
    findings = find(folder)
    assert "Level: full's best target validation loss" in findings.tables["cost_to_quality_flops"].note
    assert "Level: full's best target validation loss." in caption(findings)
    data = page_data(findings)
    assert [metric["label"] for metric in data["metrics"]][:2] == [
        "loss on validation of the target's kind", "loss on validation"
    ]  # fmt: skip
    panels = [axis.get_title("left") for axis in drawn_figures(findings, ["loss_curves"])["loss_curves"].axes]
    assert panels[:2] == ["validation of the target's kind", "validation"]
    cost = drawn_figures(findings, ["loss_against_cost"])["loss_against_cost"]
    assert cost.axes[0].get_ylabel() == "target validation loss (nats per token)"


def test_the_tidy_table_has_both_losses(folder):
    table = load(folder).to_pandas()
    counts = table[table.step == 400].groupby("split").size()
    assert counts["validation"] == counts["target_validation"] == 12


def test_few_held_out_examples_are_a_limitation(tmp_path, folder):
    few = find(aim(write_study(tmp_path / "s", seeds=(0, 1)), items=12)).limitations
    assert any("chosen on 12 held-out examples of the target's kind, which is few" in each for each in few)
    assert not any("held-out examples" in each for each in find(folder).limitations)


def test_a_study_without_a_target_says_what_it_said(tmp_path):
    found = judge(load(write_study(tmp_path / "s")))
    assert "(micro, best checkpoint, 3 seeds)" in found.sentence and "best validation loss" in found.sentence
