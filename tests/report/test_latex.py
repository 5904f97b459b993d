"""Tables and figures for papers: LaTeX that says what it shows, PDF of the same bytes each time."""

import re

import pytest
from study_factory import write_study

from winnow.analysis.find import find
from winnow.findings import Table
from winnow.report.figures import drawn_figures, pdf
from winnow.report.latex import Interval, escaped, is_higher_better, latex
from winnow.report.write import write_report

INTERVAL = Interval(0.95, (0, 1, 2))
CELLS = re.compile(r"(?<!\\)&")
SPECIALS = re.compile(r"(?<!\\)[&%#_~^<>]|(?<!\\)\$(?![^$]*(?<!\\)\$)")


def table(*rows, name="evaluation", levels=(), note=""):
    return Table(name, "Evaluation", tuple(rows), note, levels)


def body(text):
    """The cells of each row between the rules."""
    inside = text.partition("\\midrule\n")[2].partition("\n\\bottomrule")[0]
    return [[each.strip() for each in CELLS.split(line.removesuffix(r" \\"))] for line in inside.split("\n")]


def row(arm, loss, half=None, **more):
    bounds = (None, None) if half is None else (loss - half, loss + half)
    return {"arm": arm, "loss": loss, "loss_low": bounds[0], "loss_high": bounds[1], **more}


def test_a_mean_stands_with_half_its_interval_and_the_best_in_bold():
    text = latex(table(row("full", 2.5, 0.0125), row("herding_0.25", 2.25, 0.5)), INTERVAL, label="s-evaluation")
    assert body(text) == [
        ["full", r"2.5000 $\pm$ 0.0125"], [r"herding\_0.25", r"\textbf{2.2500 $\pm$ 0.5000}"]
    ]  # fmt: skip
    assert (
        r"\caption{Evaluation. Mean $\pm$ half of its 95 \% Student-t interval over 3 seeds (0, 1, 2). "
        "The best mean is bold, which is no claim.}" in text
    )
    assert r"\label{tab:s-evaluation}" in text and r"\begin{tabular}{lr}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}\n") == 1


def test_an_interval_that_was_cut_stands_by_its_bounds():
    rows = [{"arm": "a", "exact_match": 0.02, "exact_match_low": 0.0, "exact_match_high": 0.1}]
    assert body(latex(table(*rows), INTERVAL, label="x")) == [["a", "2.00 [0.00, 10.00]"]]


def test_a_minus_is_one_and_digits_stay_text_that_can_be_bold():
    rows = [{"arm": "a", "gain_nats": -0.5, "examples": 12345, "note": None},
            {"arm": "b", "gain_nats": 0.25, "examples": 7, "note": "x"}]  # fmt: skip
    assert body(latex(table(*rows), INTERVAL, label="x")) == [
        ["a", "$-$0.5000", "12,345", "--"], ["b", r"\textbf{+0.2500}", "7", "x"]
    ]  # fmt: skip


def test_the_best_is_one_of_each_set_and_checkpoint_with_ties_as_printed():
    rows = [row(arm, loss, set=name, checkpoint="best") for name in ("easy", "hard")
            for arm, loss in (("full", 2.0), ("a", 1.00001), ("b", 1.00002))]  # fmt: skip
    rows += [row("zero", 0.5, set="easy", checkpoint="start")]
    bold = ["textbf" in line[1] for line in body(latex(table(*rows), INTERVAL, label="x"))]
    assert bold == [False, True, True, False, True, True, False]


def test_no_row_is_best_where_all_are_alike_or_it_is_alone():
    assert "textbf" not in latex(table(row("a", 1.0), row("b", 1.0)), INTERVAL, label="x")
    assert "textbf" not in latex(table(row("a", 1.0)), INTERVAL, label="x")
    assert "bold" not in latex(table(row("a", 1.0)), INTERVAL, label="x")


def test_columns_of_numbers_stand_on_the_right():
    rows = [{"arm": "full", "loss": 1.0, "gain": -2.0, "share": 0.5, "share_low": 0.2, "share_high": 0.6, "note": "x"}]
    assert r"\begin{tabular}{lrrrl}" in latex(table(*rows), INTERVAL, label="x")


@pytest.mark.parametrize(("column", "way"), [
    ("loss", False), ("exact_match", True), ("gain_nats", True), ("seconds_saved_percent", True),
    ("best_loss_step", None), ("constant_level", None), ("seconds", None), ("seeds", None),
])  # fmt: skip
def test_which_way_is_better(column, way):
    assert is_higher_better(column) is way


def test_names_of_data_are_text():
    assert escaped(r"\input{x}") == r"\textbackslash{}input\{x\}"
    hostile = r"a_b & $x$ %\\ ^~ <s> # {" + "\n\x1b[31m\u202e"
    text = latex(table(row(hostile, 1.0), note=hostile), INTERVAL, label=hostile)
    assert len(body(text)) == 1 and len(body(text)[0]) == 2
    inner = [line for line in text.split("\n") if "a" in line and not line.startswith(("\\label", "%", "\\begin"))]
    for line in inner:
        stripped = re.sub(r"\\textbackslash\{\}|\\text\w+\{\}|(?<!\\)\$[^$]*(?<!\\)\$", "", line.replace(" & ", " "))
        assert not SPECIALS.search(stripped), line
    assert "\x1b" not in text and "\u202e" not in text and text.isascii()
    bare = re.sub(r"\\[\\{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert r"\label{tab:a-b-x-s-" in text.replace("--", "-")


def test_levels_of_factors_are_names_and_numbers():
    text = latex(table({"rank": 8.0, "loss": 1.0}, {"rank": "all", "loss": 2.0}, levels=("rank",)), INTERVAL, label="x")
    assert body(text) == [["8", r"\textbf{1.0000}"], ["all", "2.0000"]]


def test_without_rows_there_is_a_comment_alone():
    assert latex(table(), INTERVAL, label="x") == "% Evaluation: no rows yet\n"


@pytest.mark.slow
def test_a_report_has_every_table_for_papers_and_every_figure_as_pdf(tmp_path):
    folder = write_study(tmp_path / "s", seeds=(0, 1))
    findings = find(folder)
    write_report(folder, findings)
    names = {path.stem for path in (folder / "tables").glob("*.csv")}
    assert {path.stem for path in (folder / "tables").glob("*.tex")} == names and "evaluation" in names
    for path in (folder / "tables").glob("*.tex"):
        text = path.read_text()
        widths = {len(line) for line in body(text)} if "midrule" in text else set()
        assert len(widths) <= 1, path
        assert text.count(r"\begin") == text.count(r"\end")
    evaluation = (folder / "tables" / "evaluation.tex").read_text()
    assert "over 2 seeds (0, 1)" in evaluation and r"herding\_0.25" in evaluation and r"\textbf" in evaluation
    figures = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert {path.stem for path in (folder / "figures").glob("*.pdf")} == figures and len(figures) > 3


@pytest.mark.slow
def test_a_pdf_has_the_same_bytes_each_time_and_no_date(tmp_path):
    findings = find(write_study(tmp_path / "s", seeds=(0,)))
    first, second = (pdf(drawn_figures(findings, ["final_loss"])["final_loss"]) for _ in range(2))
    assert first == second and first.startswith(b"%PDF") and len(first) > 3000
    for word in (b"CreationDate", b"ModDate", b"/Producer", b"/Creator"):
        assert word not in first
