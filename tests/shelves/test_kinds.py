"""Every kind of stage has its row, and the rows say what the kinds have always been."""

import json

import pytest

from tests_support import ROOT
from winnow.kinds import KINDS, meters
from winnow.ledger import CHARGED_METERS, SELECTION_METERS, SHARED

VERSIONS = {
    "generate": 2, "seeds": 4, "tests": 5, "corpus": 3, "tokenizer": 1, "hygiene": 2, "pool": 6, "rows": 3, "model": 3,
    "represent": 4, "select": 3, "train": 4, "trial": 2, "sweep": 1, "evaluate": 7, "benchmark": 2, "documents": 1,
    "tokens": 1, "text_pool": 1, "row_cost": 1, "mixture": 2, "proxy": 1, "reading": 1, "untrained": 1,
    "source_samples": 1, "divergence": 1, "spectra": 1, "sample": 1,
}  # fmt: skip
"""One that changes makes every artifact of its kind anew; say so in the changelog."""


def kinds_of_all_recipes():
    from winnow.pipeline import selector_traits
    from winnow.recipe.file import load_recipe
    from winnow.study.graph import expand

    kept = json.loads((ROOT / "tests/golden/stages.json").read_text())
    for name, stages in kept.items():
        graph = expand(load_recipe(ROOT / "recipes" / f"{name}.yaml"), selector_traits())
        yield from (graph.stages[stage].kind for stage in stages)


def test_every_stage_of_every_recipe_has_a_row():
    found = set(kinds_of_all_recipes())
    assert found <= KINDS.keys()
    assert {"pool", "select", "train", "evaluate"} <= found


@pytest.mark.parametrize("name", KINDS)
def test_every_row_leads_to_a_function_that_says_what_it_does(name):
    function = KINDS[name].load()
    assert callable(function) and function.__doc__ and function.__module__ == KINDS[name].module


def test_versions_are_what_they_were():
    assert {name: kind.version for name, kind in KINDS.items()} == VERSIONS


def test_what_depends_on_the_device_is_what_runs_a_model():
    assert {name for name, kind in KINDS.items() if kind.on_device} == {
        "represent", "train", "trial", "evaluate", "benchmark", "proxy", "reading", "source_samples",
        "divergence", "spectra", "sample",
    }  # fmt: skip


def test_arms_pay_for_data_selections_and_training_alone():
    assert set(meters()) == {"generate", "represent", "select", "train", "mix"}
    assert set(CHARGED_METERS) == {*meters(), SHARED}
    assert set(SELECTION_METERS) == {"represent", "select", "mix"}
    assert {name for name, kind in KINDS.items() if kind.meter and not kind.is_charged} == {
        "evaluate", "benchmark", "source_samples", "divergence", "spectra", "sample",
    }  # fmt: skip


def test_an_arm_that_cannot_pay_goes_without_what_follows_its_selection():
    assert {name for name, kind in KINDS.items() if kind.is_of_arm} == {
        "trial", "sweep", "train", "evaluate", "benchmark", "proxy", "reading", "mixture", "divergence", "spectra",
        "sample",
    }  # fmt: skip


def test_no_two_files_of_the_study_folder_have_one_path():
    paths = [copied.path for kind in KINDS.values() for copied in kind.copied]
    assert len(set(paths)) == len(paths)
