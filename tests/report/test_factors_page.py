"""Figures and page of studies whose arms differ in factors."""

from dataclasses import replace

import numpy as np
import pytest
from varied_factory import ADAPTERS, RATES, SMALL, write_varied

from winnow.analysis.find import find
from winnow.findings import ArmFacts, Factor
from winnow.report.figures import NAMES, drawn_figures, svg
from winnow.report.grid_figure import is_log, limits
from winnow.report.legend import handles_of
from winnow.report.page import StudyPage, html_page
from winnow.report.page_data import page_data
from winnow.report.styles import COLOURS, LINES, arm_styles

pytestmark = pytest.mark.slow
RATE = Factor("rate", ("a", "b"), (1e-4, 1e-3))
SIZE = Factor("size", ("c", "d", "e"), ("c", "d", "e"))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Fifteen arms: more than a legend of arms has room for."""
    folder = tmp_path_factory.mktemp("page") / "s"
    return find(write_varied(folder, {"rate": RATES, "adapter": ADAPTERS}, seeds=(0, 1)))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return find(write_varied(tmp_path_factory.mktemp("few") / "s", SMALL, seeds=(0, 1)))


def test_colour_is_the_first_factor_and_dash_the_second():
    arms = [
        ArmFacts(f"{rate}_{size}", "full", 1.0, None, False, (0,), factors={"rate": rate, "size": size})
        for rate in RATE.levels for size in SIZE.levels
    ]  # fmt: skip
    styles = arm_styles(arms, [RATE, SIZE])
    assert styles["a_c"] == (COLOURS[0], LINES[0]) and styles["b_e"] == (COLOURS[1], LINES[2])
    assert {line for _, line in arm_styles(arms, [RATE]).values()} == {"-"}
    stray = ArmFacts("stray", "full", 1.0, None, False, ())
    assert arm_styles([stray], [RATE, SIZE])["stray"][1] == "-"


def test_a_legend_names_levels_where_there_are_many_arms(findings, few):
    assert [handle.get_label() for handle in handles_of(findings)] == [
        "rate 1e-05", "rate 3e-05", "rate 0.0001", "rate 0.0003", "rate 0.001", "full", "r4", "r16",
    ]  # fmt: skip
    assert [handle.get_label() for handle in handles_of(few)] == [arm.name for arm in few.arms]


def test_the_grid_is_drawn_with_its_best_cell(findings):
    drawing = svg(drawn_figures(findings, ["grid"])["grid"])
    assert "★ 0.9" in drawing and "not shown to be worse" in drawing and "0.0003" in drawing
    assert "pareto" not in drawn_figures(findings, ["pareto"])  # all arms cost the same


def test_arms_of_unequal_cost_are_points_and_the_front_a_line(few):
    """The mark of a level stands for its dash."""
    table = few.tables["pareto"]
    rows = tuple(row | {"exaflops": row["exaflops"] * (1 + place)} for place, row in enumerate(table.rows))
    drawn = drawn_figures(replace(few, tables={**few.tables, "pareto": replace(table, rows=rows)}), ["pareto"])
    drawing = svg(drawn["pareto"])
    assert all(arm.name in drawing for arm in few.arms) and "petaFLOPs" in drawing


def test_numbers_stand_on_a_log_axis_and_a_diverged_cell_hides_nothing():
    assert is_log(RATE) and not is_log(SIZE)
    assert not is_log(Factor("x", ("a", "b"), (0.0, 4.0))) and not is_log(Factor("x", ("a", "b"), (3.0, 4.0)))
    low, high = limits(np.array([[1.0, 1.1, 1.2, 1.1], [1.0, 1.2, 50.0, np.nan]]))
    assert low == 1.0 and high < 1.5
    assert limits(np.array([[np.nan]])) == (0.0, 1.0)


def test_the_page_has_factors_and_all_arms_with_their_levels(findings):
    data = page_data(findings)
    assert [factor["key"] for factor in data["factors"]] == ["rate", "adapter"]
    assert [level["label"] for level in data["factors"][0]["levels"]][:2] == ["1e-05", "3e-05"]
    assert all(arm["shown"] and set(arm["levels"]) == {"rate", "adapter"} for arm in data["arms"])
    page = html_page([StudyPage(findings)])
    for part in ('id="factors"', 'class="levels"', "Single arms", 'name="colour-by"', 'value="mean" selected',
                 "Effects of each factor", "Grid of rate and adapter"):  # fmt: skip
        assert part in page
    assert page.index("Verdict") < page.index('id="factors"') < page.index('id="savings"')


def test_few_arms_are_ticked_one_by_one(few):
    page = html_page([StudyPage(few)])
    assert "Single arms" not in page and 'class="levels"' in page and 'value="mean" selected' not in page


def test_all_figures_of_such_a_study_can_be_drawn(few):
    assert set(drawn_figures(few, NAMES)) >= {"loss_curves", "grid", "final_loss"}
