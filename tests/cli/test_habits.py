"""Words from other tools: put right where they mean one thing, else answered with the verb that does it."""

from pathlib import Path

import pytest

import winnow
from tests_support import SMALLEST
from winnow.cli.habits import MEANT, as_meant, hint
from winnow.cli.shared import app
from winnow.recipe.file import load_recipe

VERBS = {command.name or command.callback.__name__ for command in app.registered_commands}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("my.yaml", "run my.yaml"),
        ("My.YML --dry-run", "run My.YML --dry-run"),
        ("--config my.yaml", "run my.yaml"),
        ("run --config my.yaml --json", "run my.yaml --json"),
        ("plan --json --config=my.yaml", "plan my.yaml --json"),
        ("select list", "select --list"),
        ("select list --json", "select --list --json"),
        ("select my.yaml", "select my.yaml"),
        ("run my.yaml --set training.method=full", "run my.yaml --set training.method=full"),
        ("--help", "--help"),
        ("run --config", "run --config"),
        ("", ""),
    ],
)
def test_what_has_one_meaning_is_put_right(given, meant):
    assert as_meant(given.split(), VERBS) == meant.split()


def test_no_hint_is_of_a_verb_that_is_there_and_each_names_one_that_is():
    for told, others in MEANT.items():
        assert not VERBS.intersection(others)
        assert told.split()[1] in {*VERBS, "--version", "--help"}
    words = [word for others in MEANT.values() for word in others]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("word", "said"),
    [("eval", "winnow evaluate RECIPE"), ("LS", "winnow select --list"), ("fit", "winnow run RECIPE"),
     ("plann", "did you mean 'plan'"), ("fly", "winnow has chat, compare")],
)  # fmt: skip
def test_a_wrong_verb_is_answered_with_the_right_one(command, word, said):
    code, _, err = command(word, "my.yaml")
    assert code == 2
    assert said in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["run"], ["--version"], ["run", "eval"]])
def test_known_verbs_and_options_get_no_hint(words):
    assert hint(words, VERBS) is None


def test_the_version_is_printed(command):
    assert command("--version")[:2] == (0, f"winnow {winnow.__version__}\n")


def test_a_recipe_alone_is_run(command, tmp_path):
    asked = ["--out", tmp_path / "s", "--dry-run"]
    whole = command("run", SMALLEST, *asked)
    assert whole[0] == 0 and "stages would be made" in whole[1]
    assert command(SMALLEST, *asked) == command("run", "--config", SMALLEST, *asked) == whole


def test_the_package_lists_its_public_names():
    assert set(winnow.__all__) < set(dir(winnow)) == {*winnow.__all__, "__version__"}
    assert all(hasattr(winnow, name) for name in dir(winnow))


def test_a_study_is_named_by_its_recipe_too(tmp_path, monkeypatch):
    from winnow.cli.shared import study_of

    monkeypatch.chdir(tmp_path)
    assert study_of(SMALLEST) == Path("runs/smallest")
    assert study_of(tmp_path) == tmp_path
    assert study_of(Path("nowhere")) == Path("nowhere")


def test_a_folder_in_the_place_of_a_recipe_is_told_where_its_own_is(command, tmp_path):
    (tmp_path / "recipe.yaml").write_text(SMALLEST.read_text())
    assert f"give {tmp_path / 'recipe.yaml'}" in command("run", tmp_path)[2]
    assert "recipes/quickstart.yaml" in command("run", tmp_path / "nowhere")[2]


@pytest.mark.parametrize("given", [str, Path, load_recipe, lambda path: load_recipe(path).model_dump()])
def test_recipes_are_taken_by_path_and_by_value(tmp_path, given):
    from winnow import pipeline

    assert len(pipeline.dry_run(given(SMALLEST), tmp_path / "s", None)) == 23
