"""A real study of two adapters by two durations: it says true things, and none of the seven false ones it once said."""

import json
import re

import pandas as pd
import pytest

from tests_support import SMALLEST
from winnow import pipeline
from winnow.analysis.find import find
from winnow.errors import ArtifactError, RecipeError
from winnow.recipe.file import load_recipe
from winnow.store import read_json
from winnow.verbs.plan import plan

pytestmark = pytest.mark.slow

VARY = {
    "adapter": {
        "full": {"training.method": "full", "training.learning_rate": 1e-3},
        "r4": {"training.lora.r": 4},
    },
    "epochs": {"budget.pool_epochs": [0.5, 1]},
}
SETTINGS = [
    f"vary={json.dumps(VARY)}",
    "selection={arms: [full], controls: false}",
    "study.seeds=[0, 1]",
    "study.primary={arm: r4_epochs1, baseline: full_epochs1}",
]


@pytest.fixture(scope="module")
def folder(run_once):
    return run_once("varied", load_recipe(SMALLEST, SETTINGS))


@pytest.fixture(scope="module")
def findings(folder):
    return find(folder)


@pytest.fixture(scope="module")
def card(folder):
    return (folder / "README.md").read_text()


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text()


def changed(*settings):
    return load_recipe(SMALLEST, [*SETTINGS, *settings])


def test_each_arm_trained_by_its_own_recipe(folder):
    records = {
        path.name: read_json(path)["training"] | read_json(path)["plan"] for path in folder.glob("training_records.*")
    }
    assert len(records) == 8
    assert {name.split(".")[1].split("_")[0]: each["method"] for name, each in records.items()} == {
        "full": "full",
        "r4": "lora",
    }
    steps = {name: each["steps"] for name, each in records.items()}
    assert steps["training_records.r4_epochs1.json"] == steps["training_records.full_epochs1.json"] == 12
    assert steps["training_records.r4_epochs0.5.json"] == 6


def test_what_saved_is_the_arm_not_the_selection(findings):
    assert "selection" not in findings.verdict.sentence
    assert "r4_epochs1 did not pay" in findings.verdict.sentence or "r4_epochs1 saved" in findings.verdict.sentence


def test_rates_and_budgets_are_told_as_they_are(findings):
    told = " ".join(findings.limitations)
    assert "same learning rate" not in told and "equal in pool epochs" not in told
    assert "0.001 for full_epochs0.5, full_epochs1; 0.003 for r4_epochs0.5, r4_epochs1" in told
    assert "Arms have different budgets (by arm, 0.5 pool epochs, 1 pool epochs)" in told


def test_no_page_or_table_tells_one_budget_for_all(findings, page):
    assert "Budgets: by arm, 0.5 pool epochs, 1 pool epochs" in page and "Budget of every arm" not in page
    assert "Budget: by arm, 0.5 pool epochs, 1 pool epochs" in findings.tables["iso_compute"].note


def test_the_card_tells_each_method_and_rate(card):
    assert "| method | full (full_epochs0.5, full_epochs1); lora (r4_epochs0.5, r4_epochs1) |" in card
    assert "| learning rate | 0.001 (full_epochs0.5, full_epochs1); 0.003 (r4_epochs0.5, r4_epochs1) |" in card
    assert "library_name: peft" not in card and "data-selection" not in card and "- lora" in card
    assert "4 arms that differ in adapter, epochs" in card and "ways to choose training examples" not in card
    assert "at several budgets" in card and "trains in the same way" not in card


def test_arms_are_the_four_that_ran_and_none_is_a_control(folder, findings):
    assert [arm.name for arm in findings.arms] == ["full_epochs0.5", "full_epochs1", "r4_epochs0.5", "r4_epochs1"]
    assert not any(arm.is_control for arm in findings.arms)
    assert {arm.selector for arm in findings.arms} == {"full"}
    facts = read_json(folder / "study.json")["arms"]["r4_epochs1"]
    assert facts["factors"] == {"adapter": "r4", "epochs": "epochs1"}
    assert facts["settings"] == {"training.lora.r": 4, "budget.pool_epochs": 1}


def test_savings_are_between_arms_of_one_budget(findings):
    pairs = {(row["arm"], row["baseline"]) for row in findings.tables["savings"].rows}
    assert pairs == {("r4_epochs1", "full_epochs1"), ("r4_epochs0.5", "full_epochs0.5")}


def test_a_verdict_between_two_budgets_states_no_saving(folder, tmp_path):
    recipe = changed("study.primary.baseline=full_epochs0.5")
    pipeline.run(recipe, out=tmp_path / "other", store=folder.parent / ".store")
    verdict = find(tmp_path / "other").verdict
    assert verdict.saving is None
    assert "the budgets differ (1 pool epochs against 0.5 pool epochs), so no saving is stated" in verdict.sentence


def test_the_plan_works_out_each_arm(folder):
    planned = {arm.name: arm for arm in plan(changed(), store=folder.parent / ".store", out=folder).arms}
    assert {name: arm.steps for name, arm in planned.items()} == {
        "full_epochs0.5": 6, "full_epochs1": 12, "r4_epochs0.5": 6, "r4_epochs1": 12,
    }  # fmt: skip
    assert planned["full_epochs1"].exaflops > planned["r4_epochs1"].exaflops
    assert planned["full_epochs1"].trainable_parameters > planned["r4_epochs1"].trainable_parameters
    assert planned["full_epochs1"].memory_bytes != planned["r4_epochs1"].memory_bytes
    measured = read_json(folder / "training_records.full_epochs1.json")["plan"]["flops"]
    assert planned["full_epochs1"].exaflops * 1e18 == pytest.approx(measured, rel=1e-6)


def test_a_study_is_extended_by_a_level_and_by_nothing_else(folder, tmp_path):
    more = changed('vary.adapter.r8={"training.lora.r": 8}')
    missing = pipeline.dry_run(more, folder, None)
    assert {re.sub(r"\.s\d$", "", name) for name in missing} == {
        "train.r8_epochs0.5", "train.r8_epochs1", "evaluate.r8_epochs0.5", "evaluate.r8_epochs1",
    }  # fmt: skip
    with pytest.raises(ArtifactError, match="another arm r4_epochs0.5: settings.training.lora.r .4 there, 5 here"):
        pipeline.run(changed("vary.adapter.r4.training.lora.r=5"), out=folder)


def test_one_arm_and_one_seed_are_made_alone(folder):
    recipe = changed()
    graph = pipeline.expand(recipe, pipeline.selector_traits())
    names = pipeline.wanted(graph, arm="r4_epochs1", seed=1)
    assert [name for name in names if name.startswith(("train", "select"))] == ["select.full", "train.r4_epochs1.s1"]
    with pytest.raises(RecipeError, match="--arm r4 is no arm"):
        pipeline.wanted(graph, arm="r4")


def test_the_long_table_has_all_arms(folder):
    table = pd.read_parquet(folder / "tables" / "long.parquet")
    assert set(table["arm"]) >= {"full_epochs0.5", "full_epochs1", "r4_epochs0.5", "r4_epochs1"}
    factors = list(table.columns)[-2:]
    levels = table[table["split"] == "last"][["arm", *factors]].drop_duplicates().set_index("arm")
    assert factors == list(VARY)
    assert levels.loc["r4_epochs0.5"].tolist() == ["r4", "epochs0.5"]
    assert table[table["split"] == "start"][factors].isna().all(axis=None)
