"""The docs say what the code does."""

import importlib.util
import re
import shlex

import pytest

import winnow
from tests_support import ROOT
from winnow.recipe.file import load_recipe


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipe_reference_is_up_to_date():
    made = load_tool("recipe_reference").reference()
    assert (ROOT / "docs" / "recipe.md").read_text() == made, "run python tools/recipe_reference.py"


def test_the_selector_reference_is_up_to_date():
    made = load_tool("selector_reference").reference()
    assert (ROOT / "docs" / "selectors.md").read_text() == made, "run python tools/selector_reference.py"


def test_every_key_of_a_recipe_is_explained():
    bare = [line for line in (ROOT / "docs" / "recipe.md").read_text().splitlines() if line.rstrip().endswith("|  |")]
    assert bare == []


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_between_pages_lead_somewhere(page):
    place = ROOT / page
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", place.read_text()):
        assert (place.parent / target).exists(), target


def test_the_settings_on_the_page_on_training_are_understood():
    commands = re.findall(r"^\$ winnow \w+ (.*)$", (ROOT / "docs" / "training.md").read_text(), re.MULTILINE)
    for recipe, *words in (shlex.split(command, comments=True) for command in commands):
        assert set(words[::2]) <= {"--set"}
        assert load_recipe(ROOT / recipe, words[1::2]).name == "smallest"
    assert len(commands) > 8


def test_public_names_load():
    for name in winnow.__all__:
        assert getattr(winnow, name) is not None
    with pytest.raises(AttributeError):
        winnow.nothing  # noqa: B018


def test_all_commands_of_the_readme_exist():
    from winnow.cli.main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}

    text = (ROOT / "README.md").read_text()
    assert all(f"winnow {name}" in text or f"`{name}" in text for name in known)
    assert known == {
        "init", "plan", "run", "pool", "select", "train", "evaluate", "report", "track", "compare", "generate", "watch",
        "publish", "sandbox", "chat", "merge",
    }  # fmt: skip
