"""`winnow select --selector`: selections side by side, before anything is trained on them."""

import csv
import json
import re

import pytest

from tests_support import SMALLEST
from winnow.cli.main import app


@pytest.fixture
def command():
    """Run `winnow select`; gives back its result."""
    from typer.testing import CliRunner

    return lambda *arguments: CliRunner().invoke(app, ["select", *map(str, arguments)])


COMPARED = [word for name in ("full", "random", "herding", "herding:target", "source_matched:herding_target")
            for word in ("--selector", name)]  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A study folder with a comparison at two fractions, and what was found."""
    from winnow.recipe.file import load_recipe
    from winnow.verbs.compare_selections import compare

    folder = tmp_path_factory.mktemp("compared") / "s"
    recipe = load_recipe(SMALLEST, ["pool.sources.1.problems.off_topic=0.2", "base.pretrain.budget.tokens=4000"])
    return folder, compare(recipe, COMPARED[1::2], fractions=[0.1, 0.25], out=folder)


@pytest.mark.slow
def test_a_comparison_leaves_tables_and_one_page(compared):
    folder, found = compared
    names = {path.name for path in (folder / "selections").iterdir()}
    tables = {"selections", "overlap", "composition", "cost", "examples", "faults"}
    assert names == {f"{name}.{kind}" for name in tables for kind in ("csv", "md")} | {"selections.html"}
    assert not (folder / "study.json").exists()
    assert not (folder.parent / ".store" / "evaluate").exists()
    with (folder / "selections" / "overlap.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found.tables["overlap"].rows)


@pytest.mark.slow
def test_the_numbers_hang_together(compared):
    _, found = compared
    rows = {row["arm"]: row for row in found.tables["selections"].rows}
    assert rows["herding_0.1"]["mmd_ratio"] < rows["random_0.1"]["mmd_ratio"]
    assert rows["herding_target_0.1"]["target_mmd_ratio"] < rows["herding_0.1"]["target_mmd_ratio"]
    assert (rows["random_0.1"]["seeds"], rows["herding_0.1"]["seeds"], rows["full"]["mmd_ratio"]) == (3, 1, None)
    costs = {row["arm"]: row for row in found.tables["cost"].rows}
    assert costs["random_0.1"]["passes"] == 0
    assert costs["herding_0.1"]["passes"] > costs["herding_0.25"]["passes"] > 0
    assert costs["full"]["one_pass_gigaflops"] > costs["herding_0.25"]["one_pass_gigaflops"]
    pairs = {(row["arm"], row["other"]): row for row in found.tables["overlap"].rows}
    assert pairs["full", "herding_0.1"]["common_share"] == 1
    assert ("herding_0.1", "herding_0.25") not in pairs
    assert pairs["random_0.1", "random_0.1"]["kind"] == "across seeds"
    edge = [row["rank"] for row in found.tables["examples"].rows
            if row["arm"] == "herding_0.1" and row["kind"] in ("last chosen", "first left out")]  # fmt: skip
    assert edge == list(range(edge[0], edge[0] + 6))
    assert edge[2] == rows["herding_0.1"]["examples"]


@pytest.mark.slow
def test_the_page_is_whole_and_fetches_nothing(compared):
    folder, found = compared
    page = (folder / "selections" / "selections.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert page.count('<table class="matrix">') == 2
    assert page.count("data:image/png") == 2
    for row in found.tables["selections"].rows:
        assert page.count(f"<td>{row['arm']}</td>") >= 2
    assert "first left out" not in page
    assert "First left out" in page


@pytest.mark.slow
def test_the_command_prints_tables_or_json(command, tmp_path):
    words = [SMALLEST, "--out", tmp_path / "s", "--selector", "random", "--selector", "equal_shares"]
    made = command(*words)
    assert made.exit_code == 0, made.output
    assert "Jaccard (random draws)" in made.stdout
    assert str(tmp_path / "s" / "selections" / "selections.html") in made.stdout
    told = json.loads(command(*words, "--json").stdout)
    assert {row["arm"] for row in told["tables"]["selections"]} == {"random_0.25", "equal_shares_0.25"}
    assert all(row["mmd_ratio"] is None for row in told["tables"]["selections"])
    assert json.loads(command(*words, "--json", "--dry-run").stdout) == {"missing": []}


def test_wrong_usage(command):
    assert command(SMALLEST, "--selector", "random", "--seed", 0).exit_code == 2
    assert command(SMALLEST, "--fraction", 0.1).exit_code == 2
    assert command("--selector", "random").exit_code == 2
    assert command(SMALLEST, "--selector", "random", "--export", "chosen").exit_code == 2
    assert command("--list", "--export", "chosen").exit_code == 2


def test_the_list_is_for_machines_too(command):
    listed = {entry["name"]: entry for entry in json.loads(command("--list", "--json").stdout)}
    assert listed["herding"]["target"] == "optional"
    assert listed["source_matched"]["kind"] == "control"
    assert {option["name"] for option in listed["herding"]["options"]} >= {"candidates", "window"}
