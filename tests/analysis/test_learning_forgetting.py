"""The tables of learning and forgetting, from a study folder with planted levels."""

import json
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from study_factory import stage
from varied_factory import SMALL, write_varied

from winnow.analysis.find import find
from winnow.report.figures import drawn_figures
from winnow.report.learning_figure import chains
from winnow.report.page import StudyPage, html_page
from winnow.report.tables import csv_text
from winnow.store import read_json, write_json

FORGETS = {"full": 0.6, "r4": 0.2, "r16": 0.3}
"""Adapter -> what it has forgotten at the end of a run of one epoch, times the seed's own share."""
LEARNS = {"full": 0.3, "r4": 0.1, "r16": 0.3}
"""Adapter -> how much lower its loss levels off than another study's full pool's."""


def planted(folder, *, on_the_way=True, levels=FORGETS):
    """A study of three adapters and two durations, with own samples."""
    write_varied(folder, effect=lambda levels: LEARNS[levels["adapter"]])
    yaml = YAML()
    recipe = yaml.load((folder / "recipe.yaml").read_text())
    recipe["evaluation"]["own_samples"] = {"count": 8, "tokens": 16}
    yaml.dump(recipe, folder / "recipe.yaml")
    settings = read_json(folder / "study.json")
    for arm in settings["arms"].values():
        arm["settings"] = {
            key: value for name, level in arm["factors"].items() for key, value in SMALL[name][level].items()
        }
    write_json(folder / "study.json", settings)
    stages = read_json(folder / "records/stages.json")
    for arm, facts in settings["arms"].items():
        for seed in (0, 1, 2):
            end = (
                levels[facts["factors"]["adapter"]]
                * (1 + 0.02 * seed)
                * (1 + (facts["factors"]["epochs"] == "epochs2"))
            )
            run = f"{arm}{'' if seed == 0 else f'_s{seed}'}"
            for checkpoint in ("best", "last"):
                record = {"kl_from_base": end, "stderr": 0.01, "samples": 8, "tokens": 128}
                write_json(folder / f"records/divergence.{run}_{checkpoint}.json", record)
            stages.append(stage(f"divergence.{arm}.s{seed}", "divergence", {}, arm=arm, seed=seed))
            path = folder / f"training_records.{run}.json"
            records = read_json(path)
            first = records["evaluations"][0]["micro"]["loss"]
            for row in records["evaluations"] if on_the_way else ():
                row["kl_from_base"] = end * ((first - row["micro"]["loss"]) / 3) ** 2
            write_json(path, records)
    write_json(folder / "records/stages.json", stages)
    return folder


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return find(planted(tmp_path_factory.mktemp("planted")))


def rows(findings, name):
    return {row["arm"]: row for row in findings.tables[name].rows}


def test_arms_are_held_against_the_baseline_of_their_duration(findings):
    found = rows(findings, "learning_forgetting")
    assert len(found) == 6
    for arm, row in found.items():
        assert row["against"] == f"full_{arm.partition('_')[2]}"
        assert (row["verdict"] == "baseline") == arm.startswith("full")
        assert row["corrected_for"] == 12, "three comparisons of four arms"
    assert found["r4_epochs2"]["forgotten_nats"] == pytest.approx(2 * 0.2 * 1.02)
    assert found["r4_epochs2"]["forgotten_difference_nats"] == pytest.approx(-2 * 0.4 * 1.02)
    assert found["r4_epochs1"]["verdict"] == "learns less and forgets less"
    assert (
        found["r16_epochs1"]["learned_difference_nats_low"] < 0 < found["r16_epochs1"]["learned_difference_nats_high"]
    )
    assert found["r16_epochs1"]["verdict"] in ("dominates", "undecided"), "forgets less, and is not shown to learn less"


def test_what_is_learnt_is_the_bases_loss_minus_the_tuned_ones(findings, tmp_path):
    base = json.loads((planted(tmp_path) / "records/evaluation.zero_shot.json").read_text())["micro"]["loss"]
    runs = [tmp_path / f"records/evaluation.r4_epochs1{seed}_best.json" for seed in ("", "_s1", "_s2")]
    losses = [json.loads(run.read_text())["micro"]["loss"] for run in runs]
    row = rows(findings, "learning_forgetting")["r4_epochs1"]
    assert row["learned_nats"] == pytest.approx(base - sum(losses) / 3)
    assert row["learned_nats_low"] < row["learned_nats"] < row["learned_nats_high"]


def test_at_equal_learning_the_planted_curves_are_found(findings):
    row = rows(findings, "equal_learning")["r4_epochs1"]
    level = row["learned_nats"]
    assert row["forgotten_nats"] == pytest.approx(0.2 * 1.02 * (level / 3) ** 2, rel=0.05)
    assert row["forgotten_against_nats"] == pytest.approx(0.6 * 1.02 * (level / 3) ** 2, rel=0.05)
    assert row["verdict"] == "forgets less"
    assert set(rows(findings, "equal_learning")) == {"r4_epochs1", "r4_epochs2", "r16_epochs1", "r16_epochs2"}


def test_the_verdict_says_it_of_the_declared_arm(findings):
    arm = findings.verdict.primary.arm
    [note] = [note for note in findings.verdict.notes if note.startswith("At equal learning")]
    assert note.startswith(f"At equal learning {arm}, against full_epochs2: forgets less (-0.")


def test_without_a_way_there_is_no_such_table_row_and_the_ends_stay(tmp_path):
    found = find(planted(tmp_path, on_the_way=False))
    assert found.tables["equal_learning"].rows == () and len(found.tables["learning_forgetting"].rows) == 6
    assert not any(note.startswith("At equal learning") for note in found.verdict.notes)


def test_a_study_without_own_samples_has_neither(tmp_path):
    assert not {"learning_forgetting", "equal_learning"} & set(find(write_varied(tmp_path)).tables)


def test_arrows_join_arms_that_differ_in_their_budget_alone(findings):
    table = findings.tables["learning_forgetting"]
    found = [[row["arm"] for row in chain] for chain in chains(table.rows, findings.arms)]
    assert {tuple(sorted(chain)) for chain in found} == {
        ("full_epochs1", "full_epochs2"), ("r4_epochs1", "r4_epochs2"), ("r16_epochs1", "r16_epochs2"),
    }  # fmt: skip
    longer = [
        row | {"trained_tokens": row["trained_tokens"] + (1e6 if row["arm"].endswith("1") else 0)} for row in table.rows
    ]
    assert [[row["arm"] for row in chain] for chain in chains(longer, findings.arms)][0] == [
        "full_epochs2",
        "full_epochs1",
    ]


def test_figure_page_and_table_show_it(findings):
    figure = drawn_figures(findings, ["learning"])["learning"]
    [axis] = figure.axes
    assert "learnt" in axis.get_xlabel() and "forgotten" in axis.get_ylabel()
    arrows = [text for text in axis.texts if text.get_text() == ""]
    assert len(arrows) == 3, "one for each adapter"
    page = html_page([StudyPage(findings)])
    assert "Learning and forgetting</h2>" in page and "learns less and forgets less" in page
    assert "corrected_for" in csv_text(findings.tables["equal_learning"])


def test_the_page_of_another_study_leads_to_no_such_section(tmp_path):
    assert "Learning and forgetting" not in html_page([StudyPage(find(write_varied(tmp_path)))])
