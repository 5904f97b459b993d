"""Chains of stages that every seed has for itself, and arms that are a start as it is: a real study of them."""

import json

import pytest

from tests_support import SMALLEST
from winnow.analysis.find import find
from winnow.recipe.file import load_recipe
from winnow.store import read_json
from winnow.verbs.plan import plan

pytestmark = pytest.mark.slow

VARY = {
    "pipeline": {
        "plain": {"training.method": "none"},
        "warm": {"training.method": "none", "training.start": "warm"},
        "more": {"training.start": "warm"},
    }
}
SETTINGS = [
    f"vary={json.dumps(VARY)}",
    "selection={arms: [full], controls: false}",
    "study.seeds=[0, 1]",
    "study.primary={arm: more, baseline: warm}",
    "stages=[{name: warm, seed: each, budget: {pool_epochs: 0.5}, training: {learning_rate: 3e-3}}]",
]


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(SMALLEST, SETTINGS)


@pytest.fixture(scope="module")
def folder(recipe, run_once):
    return run_once("chains", recipe)


def losses(folder, arm):
    """Of both seeds, on the evaluation sets."""
    return [read_json(folder / f"records/evaluation.{arm}{seed}_last.json")["micro"]["loss"] for seed in ("", "_s1")]


def test_each_seed_has_a_chain_of_its_own(folder):
    plain, warm, more = (losses(folder, arm) for arm in ("plain", "warm", "more"))
    assert plain[0] == plain[1]
    assert warm[0] != warm[1] and more[0] != more[1]
    assert max(warm) < plain[0]


def test_a_start_as_it_is_costs_nothing_and_is_the_start(folder):
    records = read_json(folder / "training_records.warm.json")
    assert (records["plan"]["steps"], records["last"]["step"], records["steps"]) == (0, 0, [])
    assert records["costs"]["train"]["flops"] == 0 < records["costs"]["evaluate"]["seconds"]
    zero_shot = read_json(folder / "records/evaluation.zero_shot.json")
    assert zero_shot["micro"]["loss"] == pytest.approx(losses(folder, "plain")[0], abs=1e-12)


def test_what_the_chain_took_is_charged_to_the_arms_that_rest_on_it(folder):
    rows = {row["arm"]: row for row in find(folder).tables["ledger_arms"].rows}
    assert rows["plain"]["charged_exaflops"] == 0
    assert 0 < rows["warm"]["charged_exaflops"] < rows["more"]["charged_exaflops"]


def test_the_card_says_what_each_adapter_goes_on(folder):
    settings, card = read_json(folder / "study.json"), (folder / "README.md").read_text()
    assert settings["base_paths"] == {"more": "base_warm.s0", "more_s1": "base_warm.s1"}
    assert (folder / "base_warm.s1" / "model.safetensors").is_file()
    assert "`more_s1` is an adapter of `base_warm.s1`." in card
    assert 'from_pretrained("base_warm.s0")' in card


def test_it_is_planned_as_it_runs(recipe, folder):
    planned = {arm.name: arm for arm in plan(recipe, out=folder).arms}
    assert (planned["warm"].steps, planned["warm"].exaflops) == (0, 0)
    assert planned["more"].steps == read_json(folder / "training_records.more.json")["plan"]["steps"]
