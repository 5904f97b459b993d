import csv
import importlib.util
import re

import pytest
from study_factory import EFFECTS, write_study

from tests_support import ROOT


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("crossover_tool", ROOT / "tools" / "crossover.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(tool, tmp_path_factory):
    root = tmp_path_factory.mktemp("kept")
    study = write_study(root / "s", effects=EFFECTS | {"herding_0.25": 0.2})
    return tool.main([study], root / "docs" / "selection")


@pytest.mark.slow
def test_the_page_has_every_part(page):
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["All studies at a glance", "planted"]
    assert "Declared before the runs: herding_0.25 against full" in text
    with (page.parent / "selection" / "planted.crossover.csv").open() as file:
        assert {row["winner"] for row in csv.DictReader(file)} >= {"herding_0.25"}


def test_an_unfinished_study_has_a_page_too(tool, tmp_path):
    study = write_study(tmp_path / "s", effects={"full": 0.0}, seeds=(0,))
    assert "there is no table of winners yet" in tool.main([study], tmp_path / "selection").read_text()


def test_figures_and_tables_are_where_the_page_says(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert links
    assert all((page.parent / link).is_file() for link in links)


def test_the_summary_counts_budgets(tool, tmp_path):
    found = tool.find(write_study(tmp_path / "s", effects=EFFECTS | {"herding_0.25": 0.2}))
    rows = tool.summary(found)
    table = found.tables["crossover"].rows
    assert [row["uses"] for row in rows] == ["1", "3", "10", "30", "without end"]
    for row in rows:
        shown = [each["verdict"] for each in table if each["uses"] == row["uses"]]
        assert (row["budgets"], row["selection_better"]) == (len(shown), shown.count("better"))
    assert rows[0]["smallest_budget_won_exaflops"] > rows[-1]["smallest_budget_won_exaflops"]
    assert {row["first_at_largest_budget"] for row in rows} == {"herding_0.25"}
