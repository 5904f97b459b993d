import csv
import hashlib
import re
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from study_factory import EFFECTS, HIDDEN, write_items, write_study

from winnow.analysis.find import find
from winnow.analysis.savings import Point, saved
from winnow.analysis.study_folder import load
from winnow.pipeline import report, report_together
from winnow.recipe.licences import may_redistribute
from winnow.report.figures import drawn_figures, svg
from winnow.report.items import read_items
from winnow.report.page import StudyPage, html_page
from winnow.report.page_data import page_data
from winnow.report.styles import dark
from winnow.report.templating import asset
from winnow.report.terminal import render_terminal
from winnow.report.write import write_report

pytestmark = pytest.mark.slow

UPLOT = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
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
    assert {row["checkpoint"] for row in table} == {"best", "last", "early_stop"}
    for row in table:
        value = {key: float(row[key]) for key in row if key not in ("arm", "baseline", "checkpoint")}
        ours = Point(value["loss"], value["exact_match"], value["seconds"])
        theirs = Point(value["baseline_loss"], value["baseline_exact_match"], value["baseline_seconds"])
        for prefix, selection in (("", 0.0), ("net_", value["selection_seconds"])):
            found = saved(ours, theirs, dollars_per_hour=value["dollars_per_hour"], selection_seconds=selection)
            assert value[f"{prefix}less_seconds"] == pytest.approx(found.seconds)
            assert value[f"{prefix}less_seconds_percent"] == pytest.approx(100 * found.seconds / theirs.seconds)
            assert value[f"{prefix}less_dollars"] == found.dollars
            assert value[f"{prefix}less_dollars_percent"] == found.dollars_percent
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
        assert arm.name in page.replace("<wbr>", "")
    for name in ("loss_curves", "exact_match_curves", "loss_against_cost", "crossover", "final_loss", "composition"):
        for kind in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{kind}").stat().st_size > 5000
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:|#)|@import|<link", page)
    assert "default-src 'none'" in page and "connect-src" not in page
    assert page.index("Verdict") < page.index("Savings")
    assert not list(folder.rglob("*.partial"))


def test_page_escapes_what_others_wrote(tmp_path):
    evil = "</script><script>alert(1)</script>"
    folder = write_items(write_study(tmp_path / "s", seeds=(0,), not_affordable={"evil_0.25": evil}), seeds=(0,))
    items = folder / "records/items/evaluation.full_best.parquet"
    table = pq.read_table(items)
    pq.write_table(table.set_column(table.column_names.index("output"), "output", pa.array([evil] * len(table))), items)
    page = page_of(folder)
    assert "alert(1)" in page and "<script>alert" not in page


def page_of(folder):
    """The page without its figures, which take a second to draw."""
    return html_page([StudyPage(find(folder), {}, read_items(folder, find(folder)))])


def test_cells_carry_the_numbers_of_the_csv(folder):
    page = (folder / "report.html").read_text()
    for name, column in (("iso_compute", "tokens"), ("ledger_arms", "charged_dollars")):
        part = page[page.index(f'data-table="{name}"') :]
        part = part[: part.index("</table>")]
        for row in rows(folder, name):
            if row[column]:
                assert f'data-value="{row[column]}"' in part


def test_figures_are_the_same_bytes_each_time(folder):
    findings = find(folder)
    once, again = (svg(drawn_figures(findings, ["final_loss"])["final_loss"]) for _ in range(2))
    assert once == again
    assert "#222222" in once and "#222222" not in dark(once)


def test_what_stages_are_charged_for_is_what_arms_are_charged(folder):
    stages, arms = rows(folder, "ledger_stages"), rows(folder, "ledger_arms")
    for axis in ("seconds", "dollars", "exaflops"):
        of_stages = sum(float(row[f"charged_{axis}"]) for row in stages)
        assert of_stages == pytest.approx(sum(float(row[f"charged_{axis}"]) for row in arms))
    base = next(row for row in stages if row["stage"] == "base")
    assert float(base["spent_seconds"]) > 0 and float(base["charged_seconds"]) == 0


def test_the_report_and_the_tidy_table_go_elsewhere_and_leave_the_study_alone(tmp_path):
    folder = write_study(tmp_path / "s", seeds=(0,))
    before = set(folder.rglob("*"))
    report(folder, out=tmp_path / "out")
    assert set(folder.rglob("*")) == before
    assert (tmp_path / "out" / "report.html").is_file()
    stored, tidy = pq.read_table(tmp_path / "out" / "tables" / "long.parquet").to_pandas(), load(folder).to_pandas()
    assert list(stored) == list(tidy) and len(stored) == len(tidy) > 0
    assert stored["value"].tolist() == tidy["value"].tolist()


def test_several_studies_share_a_page(tmp_path):
    one = write_study(tmp_path / "one", seeds=(0, 1))
    two = write_study(tmp_path / "two", seeds=(0, 1), effects=EFFECTS | {"herding_0.25": -0.3})
    found = report_together([one, two], tmp_path / "both")
    page = (tmp_path / "both" / "report.html").read_text()
    with (tmp_path / "both" / "tables" / "studies.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["verdict"] for row in table] == [each.verdict.kind for each in found] == ["better", "worse"]
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert page.index("at a glance") < page.index('<p class="answer">')
    assert not (one / "report.html").exists()


def test_items_stand_side_by_side(tmp_path):
    folder = write_items(write_study(tmp_path / "s"))
    found = read_items(folder, find(folder))
    assert found["columns"] == ["zero_shot", *EFFECTS]
    row = found["rows"][6]
    assert row["prompt"] == "Question: what is gsm_like:0006?" and row["answer"] == "6"
    assert row["given"][1] == [1, round(10 / 9, 3), "it is 6", "6"]


def test_items_that_may_not_be_shown_have_a_hash_alone(tmp_path):
    folder = write_items(write_study(tmp_path / "s", licences={"choice_like": "unknown"}), hidden_set="choice_like")
    page = page_of(folder)
    assert HIDDEN not in page and '"hash":"hash0003"' in page
    shown = read_items(folder, find(folder))
    assert [each["hidden"] for each in shown["sets"]] == [False, True]
    hidden = [row for row in shown["rows"] if row["set"] == "choice_like"]
    assert all(len(given) == 2 for row in hidden for given in row["given"])


def test_too_many_items_are_sampled_per_set(tmp_path):
    folder = write_items(write_study(tmp_path / "s"))
    found = read_items(folder, find(folder), most_letters=6000)
    assert all(0 < each["shown"] < each["num_items"] == 30 for each in found["sets"])
    assert {each["name"]: each["shown"] for each in found["sets"]} == Counter(row["set"] for row in found["rows"])


def test_a_page_of_twenty_runs_is_small(tmp_path):
    seeds = tuple(range(5))
    folder = write_items(write_study(tmp_path / "s", seeds=seeds), seeds=seeds, num=700, words=250)
    figures = {name: svg(figure) for name, figure in drawn_figures(find(folder)).items()}
    page = html_page([StudyPage(find(folder), figures, read_items(folder, find(folder)))])
    assert len(find(folder).curves) == 20
    assert len(page.encode()) < 5_000_000


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_and_lines_stand_out_from_the_page(theme):
    """WCAG's contrast ratio: 4.5 for text, 3 for what is drawn."""
    blocks = re.findall(r":root[^{]*\{([^}]+)\}", str(asset("templates/page.css")))
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", blocks[0 if theme == "light" else 1]))
    for name in ("ink", "soft", "accent", "good", "bad"):
        for back in ("back", "pale", "mark"):
            assert contrast(colours[name], colours[back]) >= 4.5, (name, back)
    for name in ("full", "random", *(f"c{place}" for place in range(8))):
        assert contrast(colours[name], colours["back"]) >= 2.9, name


def contrast(one, other):
    lights = sorted(luminance(each) for each in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_plotting_library_is_what_its_makers_published():
    """`npm pack uplot@1.6.32`, its `dist/uPlot.iife.min.js`, with its licence beside it."""
    script = str(asset("vendor/uPlot.js"))
    assert script.startswith("/*! https://github.com/leeoniya/uPlot (v1.6.32) */")
    assert hashlib.sha256(script.encode()).hexdigest() == UPLOT
    assert "MIT License" in str(asset("vendor/LICENSE"))


@pytest.mark.parametrize(("licence", "is_free"), [
    ("MIT", True), ("CC BY-SA 4.0", True), ("cc-by-nc-4.0", True), ("public domain", True), ("unknown", False),
    ("proprietary", False), ("research only", False),
])  # fmt: skip
def test_licences_that_let_others_have_a_copy(licence, is_free):
    assert may_redistribute(licence) is is_free


def test_no_two_arms_look_the_same(folder):
    arms = page_data(find(folder))["arms"]
    assert len({(arm["colour"], tuple(arm["dash"])) for arm in arms}) == len(arms)


def test_card_has_its_sections_and_machine_readable_results(folder):
    card = (folder / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    index = YAML(typ="safe").load(front)["model-index"]
    assert [entry["name"] for entry in index][:2] == ["planted full", "planted herding_0.25"]
    assert index[0]["results"][0]["metrics"][0]["type"] == "exact_match"
    sections = re.findall(r"^## (.+)$", body, re.MULTILINE)
    assert sections == [
        "Overview", "Adapters", "Loading", "Training configuration", "Adapter configuration", "Compute",
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
    assert text.startswith("Use herding_0.25: it is better than the full pool, and costs less")
    assert "\nherding_0.25 against full, loss" in text and "random_0.25" in text


def rows_of_terminal(findings):
    """The console's table, each row split at two spaces or more."""
    lines = render_terminal(findings).splitlines()
    first = next(place for place, line in enumerate(lines) if re.match(r"arm +loss", line))
    assert all(len(line) <= 100 for line in lines[first - 1 :])
    until = lines.index("", first)
    return {line.split()[0]: re.split(r" {2,}", line)[1:] for line in lines[first + 1 : until]}


def test_the_console_says_cost_to_the_level_or_that_it_was_never_reached(tmp_path):
    effects = {"full": 0.0, "herding_0.25": 0.05, "random_0.25": -0.05}
    findings = find(write_study(tmp_path / "s", effects=effects))
    shown = rows_of_terminal(findings)
    assert shown["random_0.25"][3:] == ["never reached", "–"]
    assert shown["full"][-1] == "–" and float(shown["full"][2]) == pytest.approx(400 * 4e12 / 1e15)
    saving = findings.verdict.saving.net
    assert shown["herding_0.25"][-1] == f"{100 * saving.mean:.0f} ± {100 * saving.half_width:.0f}"
    row = next(row for row in findings.tables["cost_to_quality_flops"].rows if row["arm"] == "herding_0.25")
    paid = row["exaflops_to_baseline_best"] + row["selection_exaflops"]
    assert float(shown["herding_0.25"][3]) == pytest.approx(1000 * paid, rel=1e-3)
    text = " ".join(render_terminal(findings).split())
    assert "Costs are FLOPs (study.primary.cost), selection included. Level: full's best validation loss." in text


@pytest.mark.parametrize("cost", ["flops", "seconds", "dollars", "tokens"])
def test_the_console_has_the_declared_cost_and_fits_its_columns(tmp_path, cost):
    long = "source_matched_herding_target_with_a_name_of_many_letters_and_more_of_them_0.25"
    effects = {"full": 0.0, long: 0.01, "herding_0.25": 0.05}
    findings = find(write_study(tmp_path / "s", effects=effects, primary={"cost": cost, "arm": "herding_0.25"}))
    lines = render_terminal(findings).splitlines()
    assert sum("…" in line for line in lines) == 1
    assert set(rows_of_terminal(findings)) >= {"full", "herding_0.25"}
    word = {"flops": "petaFLOPs", "seconds": "time", "dollars": "USD", "tokens": "tokens"}[cost]
    assert any(word in line for line in lines if "exact" in line)


@pytest.mark.parametrize("effects", [{}, {"full": 0.0}])
def test_an_unfinished_study_has_a_report_too(tmp_path, effects):
    folder = write_study(tmp_path / "s", effects=effects, seeds=(0,))
    assert "nothing is claimed" in write_report(folder, find(folder)).read_text()


def test_a_report_is_written_twice_to_the_same_bytes(folder):
    names = ("report.html", "README.md", "tables/savings.csv", "figures/loss_curves.png", "figures/final_loss.svg")
    before = [(folder / name).read_bytes() for name in names]
    write_report(folder, find(folder))
    assert [(folder / name).read_bytes() for name in names] == before
