"""docs/extending.md is carried out as it stands: the package it describes, the conformance tests, the recipe."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests_support import ROOT, SMALLEST

PAGE = (ROOT / "docs" / "extending.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the page's modules and the metadata that installing its package would leave."""
    (described,) = blocks("toml")
    project = tomllib.loads(described)
    name, version = project["project"]["name"], project["project"]["version"]
    site = tmp_path_factory.mktemp("site")
    modules = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    for module, text in zip(modules, blocks("python"), strict=True):
        (site / module).write_text(text)
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in project["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def run(site, *arguments, folder=ROOT):
    paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_selector_is_listed_with_its_options(installed):
    listed = run(installed, "winnow", "select", "--list")
    assert "nearest_mean" in listed and "farthest_first" in listed


@pytest.mark.long
@pytest.mark.parametrize("name", ["nearest_mean", "focal", "digit_error", "by_documents"])
def test_it_passes_the_conformance_tests(installed, name):
    said = run(installed, "pytest", "tests/conformance", "-rA", "-k", name, "-p", "no:cacheprovider")
    passed = re.findall(rf"^PASSED .*{name}", said, re.MULTILINE)
    assert len(passed) > 6


@pytest.mark.slow
def test_the_mixer_gives_shares_of_documents(installed):
    code = (
        "import sys; from pydantic import TypeAdapter; from ruamel.yaml import YAML\n"
        "from winnow.mixing.asked import mixture_mistakes, resolved\n"
        "from winnow.mixing.sources import SourceTokens\n"
        "from winnow.recipe.mixture import MixtureRecipe\n"
        "mixture = TypeAdapter(MixtureRecipe).validate_python(dict(YAML(typ='safe').load(sys.argv[1])['mixture']))\n"
        "sources = [SourceTokens('long', 9000, 3, 1), SourceTokens('short', 300, 9, 1)]\n"
        "assert mixture_mistakes(mixture, ['long', 'short']) == []\n"
        "print([resolved(mixture, sources, tokens=n).schedule.knots[0].shares['short'] for n in (800, 1200)])\n"
    )
    program = installed / "shares_of_documents.py"
    program.write_text(code)
    paths = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    said = subprocess.run(
        [sys.executable, str(program), blocks("yaml")[3]], env=os.environ | {"PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.stdout == "[0.75, 0.5]\n", (
        said.stderr
    )  # 9 of 12 documents; two readings of 300 tokens are half of 1,200


@pytest.mark.long
def test_it_selects_in_a_recipe(installed, tmp_path):
    shutil.copy(SMALLEST, tmp_path)
    (tmp_path / "mine.yaml").write_text(blocks("yaml")[0])
    run(installed, "winnow", "select", "mine.yaml", "--out", str(tmp_path / "runs" / "mine"), folder=tmp_path)
    made = {}
    for path in (tmp_path / "runs" / ".store" / "select").glob("*/selection.json"):
        found = json.loads(path.read_text())
        made.setdefault(found["selector"], []).append(found["size"])
    assert len(made["nearest_mean"]) == 3 and len(set(made["nearest_mean"])) == 1


@pytest.mark.long
def test_a_recipe_trains_on_it(installed, tmp_path):
    shutil.copy(SMALLEST, tmp_path)
    (tmp_path / "sharper.yaml").write_text(blocks("yaml")[1])
    few = "--set", "selection={arms: [full], controls: false}", "--set", "study.primary={arm: null, baseline: full}"
    run(installed, "winnow", "train", "sharper.yaml", *few, "--out", str(tmp_path / "runs" / "mine"), folder=tmp_path)
    found = [json.loads(path.read_text()) for path in tmp_path.glob("runs/.store/train/*/training_records.json")]
    (steps,) = [records["steps"] for records in found if records["objective"] == "focal"]
    assert len(steps) > 5 and all(0 <= step["sure_share"] <= 1 for step in steps)


@pytest.mark.long
def test_a_recipe_compares_what_it_measures(installed, tmp_path):
    shutil.copy(SMALLEST, tmp_path)
    (tmp_path / "digits.yaml").write_text(blocks("yaml")[2])
    few = "--set", "selection={arms: [herding], fractions: [0.25]}", "--arm", "herding_0.25"
    folder = tmp_path / "runs" / "digits"
    run(installed, "winnow", "run", "digits.yaml", *few, "--out", str(folder), folder=tmp_path)
    run(installed, "winnow", "run", "digits.yaml", *few[:2], "--arm", "full", "--out", str(folder), folder=tmp_path)
    said = subprocess.run(  # in a process without the package: the records say what the metric is
        [sys.executable, "-m", "winnow", "report", str(folder), "--json"], capture_output=True, text=True, check=True
    )
    primary = json.loads(said.stdout)["verdict"]["primary"]
    assert primary["facts"] == primary["facts"] | {"name": "digit_error", "higher_is_better": False, "unit": "points"}
    with (folder / "tables" / "measured.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {"zero_shot", "full", "herding_0.25"}
    assert {(row["metric"], row["unit"]) for row in rows} == {("digit_error", "%")}
    assert all(0 <= float(row["value"]) <= 100 for row in rows) and (folder / "figures" / "primary.png").is_file()
    page = (folder / "report.html").read_text()
    assert "digit error (%)" in page and '"label":"digit error on all items"' in page
    assert "digit error (micro, best checkpoint" in page


def test_the_commands_of_the_page_are_those_that_are_tested():
    console = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
    assert console == [
        "python -m pytest tests/conformance -q -k nearest_mean",
        "winnow select mine.yaml",
        "winnow run mine.yaml",
        "python -m pytest tests/conformance -q -k focal",
        "winnow run sharper.yaml",
        "python -m pytest tests/conformance -q -k digit_error",
        "winnow run digits.yaml",
        "python -m pytest tests/conformance -q -k by_documents",
    ]
