import csv
import re

import pytest
from ruamel.yaml import YAML
from study_factory import write_study

from winnow.analysis.find import find
from winnow.analysis.savings import Point, saved
from winnow.analysis.study_folder import load
from winnow.report.terminal import render_terminal
from winnow.report.write import write_report

REASON = "not affordable: the selection costs 2e+15 FLOPs of a budget of 1e+15; raise the budget"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("study") / "s", seeds=(0, 1), not_affordable={"grand_0.25": REASON})
    write_report(folder, find(folder))
    return folder


def rows(folder, name):
    with (folder / "tables" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_saving_is_recomputable_from_its_row(folder):
    table = rows(folder, "savings")
    assert {row["checkpoint"] for row in table} == {"best", "last"}
    for row in table:
        value = {key: float(row[key]) for key in row if key not in ("arm", "baseline", "checkpoint")}
        ours = Point(value["loss"], value["exact_match"], value["seconds"])
        theirs = Point(value["baseline_loss"], value["baseline_exact_match"], value["baseline_seconds"])
        for prefix, selection in (("", 0.0), ("net_", value["selection_seconds"])):
            found = saved(ours, theirs, dollars_per_hour=value["dollars_per_hour"], selection_seconds=selection)
            assert value[f"{prefix}seconds_saved"] == pytest.approx(found.seconds)
            assert value[f"{prefix}seconds_saved_percent"] == pytest.approx(100 * found.seconds / theirs.seconds)
            assert value[f"{prefix}dollars_saved"] == found.dollars
            assert value[f"{prefix}dollars_saved_percent"] == found.dollars_percent
        assert value["loss_difference"] == found.loss_difference


def test_savings_inputs_are_means_of_the_records(folder):
    study = load(folder)
    row = next(row for row in rows(folder, "savings") if row["arm"] == "herding_0.25" and row["checkpoint"] == "best")
    losses = [final.micro.loss for final in study.finals_of("herding_0.25", "best").values()]
    times = [run.at_best.seconds for run in study.runs_of("herding_0.25").values()]
    assert float(row["loss"]) == pytest.approx(sum(losses) / 2)
    assert float(row["seconds"]) == pytest.approx(sum(times) / 2)
    assert float(row["selection_seconds"]) == pytest.approx(9.0)


def test_iso_compute_shows_equal_visits_and_unequal_flops(folder):
    table = {row["arm"]: row for row in rows(folder, "iso_compute")}
    assert float(table["herding_0.25"]["visits_ratio"]) == 1.0
    assert float(table["herding_0.25"]["exaflops_ratio"]) == pytest.approx(0.8)
    assert table["grand_0.25"]["note"] == REASON


def test_evaluation_stands_beside_guessing(folder):
    table = rows(folder, "evaluation")
    micro = next(row for row in table if row["arm"] == "full" and row["set"] == "micro")
    assert float(micro["random_level"]) == pytest.approx(0.12)
    assert float(micro["constant_level"]) == pytest.approx(0.152)
    assert any(row["arm"] == "zero_shot" for row in table)


def test_adapters_are_where_the_table_says(folder):
    paths = {row["path"] for row in rows(folder, "adapters")}
    assert {"adapters/full_best", "adapters/full_s1_last", "adapters/herding_0.25_best"} <= paths


def test_page_is_self_contained_and_complete(folder):
    page = (folder / "report.html").read_text()
    findings = find(folder)
    for arm in findings.arms:
        assert arm.name in page
    for name in ("loss_curves", "exact_match_curves", "loss_against_cost", "crossover", "final_loss", "composition"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5000
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"https?://|src=\"(?!data:)|@import|<script|<link", page)
    assert page.index("Verdict") < page.index("Savings")
    assert not list(folder.rglob("*.partial"))


def test_page_escapes_what_others_wrote(tmp_path):
    folder = write_study(tmp_path / "s", seeds=(0,), not_affordable={"evil_0.25": "<script>alert(1)</script>"})
    page = write_report(folder, find(folder)).read_text()
    assert "<script>" not in page


def test_card_has_its_sections_and_machine_readable_results(folder):
    card = (folder / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    index = YAML(typ="safe").load(front)["model-index"]
    assert [entry["name"] for entry in index][:2] == ["planted full", "planted herding_0.25"]
    assert index[0]["results"][0]["metrics"][0]["type"] == "exact_match"
    sections = re.findall(r"^## (.+)$", body, re.MULTILINE)
    assert sections == [
        "Overview", "Adapters", "Loading", "Training configuration", "Adapter configuration", "Equal compute",
        "Evaluation", "Savings", "Composition", "Intended use", "Not intended", "Limitations", "Licence",
    ]  # fmt: skip
    assert 'PeftModel.from_pretrained(base, "adapters/herding_0.25_best")' in body
    snippet = re.search(r"```python\n(.+?)```", body, re.DOTALL).group(1)
    compile(snippet, "card", "exec")


def test_limitations_come_from_checks(folder):
    text = " ".join(find(folder).limitations)
    for said in ("60.0 % of the evaluation items are multiple choice", "over-represents gsm_like (1.50 times)",
                 "37 training examples that overlap", "12 training examples were longer", "licence of noise is unknown",
                 "herding_0.25 used 80 % of the training FLOPs of full"):  # fmt: skip
        assert said in text
    assert "One seed" not in text


def test_terminal_has_verdict_and_savings(folder):
    text = render_terminal(find(folder))
    assert text.startswith("herding_0.25 against full, loss")
    assert "random_0.25" in text and "net time saved (%)" in text


@pytest.mark.parametrize("effects", [{}, {"full": 0.0}])
def test_an_unfinished_study_has_a_report_too(tmp_path, effects):
    folder = write_study(tmp_path / "s", effects=effects, seeds=(0,))
    assert "nothing is claimed" in write_report(folder, find(folder)).read_text()


def test_a_report_is_written_twice_to_the_same_bytes(folder):
    names = ("report.html", "README.md", "tables/savings.csv", "figures/loss_curves.png")
    before = [(folder / name).read_bytes() for name in names]
    write_report(folder, find(folder))
    assert [(folder / name).read_bytes() for name in names] == before
