"""Studies of plain text with stages of their own that arms start from, and with branches."""

import json

import pytest

from text_support import text_recipe, text_tree
from winnow import pipeline
from winnow.errors import RecipeError
from winnow.pipeline import expand, run, selector_traits
from winnow.recipe.file import parse_recipe
from winnow.store import Store


def stored(folder, name):
    stages = json.loads((folder / "records" / "stages.json").read_text())
    entry = next(each for each in stages if each["name"] == name)
    return Store(folder.parent / ".store").find(entry["kind"], entry["fingerprint"])


def refused(**others):
    with pytest.raises(RecipeError) as error:
        pipeline.checked(parse_recipe(text_tree(**others)))
    return error.value.mistakes


SWITCH = {"between": "step", "knots": [{"at": 0, "shares": {"web": 1.0}}, {"at": 0.5, "shares": {"books": 1.0}}]}
PROXIES = {"proxies": {"tokens_fraction": 0.2}}
TRAINS = text_tree()["training"]
TRUNK = {"name": "trunk", "training": TRAINS, "budget": {"tokens": 1280}, "seed": "each", "mixture": {"web": 1.0}}


def staged(**others):
    return {"stages": [TRUNK | others], "training": TRAINS | {"start": "trunk"}}


def test_arms_start_from_a_trunk_of_their_seed_that_begins_from_scratch():
    stages = expand(text_recipe(**staged()), selector_traits()).stages
    for seed in (0, 1):
        trunk = stages[f"trunk.s{seed}"]
        assert "start" not in trunk.inputs and trunk.part.architecture is not None and trunk.part.seed == seed
        assert trunk.inputs["mixture"] == "mixture.trunk"
        run_of_arm = stages[f"train.equal.s{seed}"]
        assert run_of_arm.inputs["start"] == f"trunk.s{seed}" and run_of_arm.part.architecture is None
    assert stages["evaluate.zero_shot"].inputs["run"] == "base"
    shared = expand(text_recipe(**staged(seed=0)), selector_traits()).stages
    assert shared["evaluate.zero_shot"].inputs["run"] == shared["train.notes.s1"].inputs["start"] == "trunk"
    assert stages["mixture.trunk"].part.mixture.options == {"shares": {"web": 1.0}}
    plain = expand(text_recipe(**staged(mixture=None), mixture="equal"), selector_traits()).stages
    assert plain["mixture.trunk"].part.mixture.name == "equal"
    paying = expand(text_recipe(**staged(budget={"flops": 1e8})), selector_traits()).stages
    assert paying["mixture.trunk"].inputs["row_cost"] == "row_cost.trunk"


@pytest.mark.parametrize(
    "others, told",
    [
        ({"mixture": {"name": "mixmin", "options": PROXIES}}, "'trunk' has a mixture that is learned"),
        ({"mixture": {"bookz": 1.0}}, "'trunk': mixture names source 'bookz'"),
        ({"sources": ["web"]}, "'trunk' has sources"),
        ({"training": {"method": "full"}}, "trains on a pool; here is a corpus"),
    ],
)
def test_a_mistake_in_a_stage_on_text_is_one_line(others, told):
    assert any(told in line for line in refused(**staged(**others)))


@pytest.fixture(scope="module")
def trunked(tmp_path_factory):
    root = tmp_path_factory.mktemp("trunk")
    study = text_tree()["study"] | {"seeds": [0], "branches": True}
    levels = {"short": {"budget.tokens": 1280}, "long": {"budget.tokens": 2560}}
    decays = TRAINS | {"start": "trunk", "schedule": "warmup_stable_decay", "decay_fraction": 0.25}
    study["primary"] = text_tree()["study"]["primary"] | {"arm": "long", "baseline": "short"}
    recipe = text_recipe(**staged() | {"training": decays}, mixture="equal", vary={"length": levels}, study=study)
    run(recipe, out=root / "mixing")
    return root / "mixing"


def test_runs_read_on_where_the_trunk_of_their_seed_ended(trunked):
    trunk = json.loads((stored(trunked, "trunk.s0").folder / "training_records.json").read_text())
    read = {row["source"]: row["rows"] for row in trunk["mixture"]["sources"]}
    assert read == {"books": 0, "web": 40, "notes": 0}
    own = json.loads((trunked / "training_records.long.json").read_text())["mixture"]["sources"]
    assert {row["source"]: row["read_before"] for row in own} == read


def test_a_branch_reads_the_beginning_of_the_longer_run(trunked):
    long, short = (json.loads((trunked / f"training_records.{name}.json").read_text()) for name in ("long", "short"))
    assert short["plan"]["visits"] * 2 == long["plan"]["visits"] == 80
    at = long["mixture"]["rows"].index(40)
    assert [row["rows"] for row in short["mixture"]["sources"]] == long["mixture"]["rows_by_source"][at]
    stages = json.loads((trunked / "records" / "stages.json").read_text())
    assert (
        next(each for each in stages if each["name"] == "train.short.s0")["inputs_by_name"]["trunk"] == "train.long.s0"
    )


def test_branches_of_a_mixture_that_goes_by_the_length_of_a_run_are_refused():
    study = text_tree()["study"] | {"branches": True, "primary": {"arm": "b", "baseline": "a"}}
    vary = {"length": {"a": {"budget.tokens": 1280}, "b": {"budget.tokens": 2560}}}
    for mixture in (SWITCH, {"name": "unimax", "options": {"max_epochs": 4}}):
        found = refused(study=study, vary=vary, mixture=mixture, training=TRAINS | {"schedule": "warmup_stable_decay"})
        assert any("goes by the length of its run" in line for line in found), found
