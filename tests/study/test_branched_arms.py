"""Arms that differ in their budget alone, as one run with branches: the same bits, spent once, charged to each."""

import json

import pytest
from safetensors.torch import load_file

from tests_support import SMALLEST
from winnow import pipeline
from winnow.analysis.cost import arm_charge
from winnow.analysis.study_folder import load
from winnow.ledger import spent
from winnow.recipe.file import load_recipe
from winnow.store import read_json
from winnow.verbs.plan import plan

pytestmark = pytest.mark.long

VARY = {"epochs": {"budget.pool_epochs": [0.5, 1.5, 2.5]}}
SETTINGS = [
    f"vary={json.dumps(VARY)}",
    "selection={arms: [full], controls: false}",
    "study.primary={arm: epochs0.5, baseline: epochs2.5}",
    "training.schedule=warmup_stable_decay",
    "training.per_device_batch_size=8",
    "evaluation.every_steps=4",
    "training.checkpoint_every_seconds=0",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The walk with branches, and the walk without; both in one store."""
    root = tmp_path_factory.mktemp("branches")
    return {
        branches: pipeline.advance(
            load_recipe(SMALLEST, [*SETTINGS, f"study.branches={branches}"]),
            "train", out=root / branches, store=root / "store",
        )
        for branches in ("true", "false")
    }  # fmt: skip


@pytest.mark.parametrize("arm", ["epochs0.5", "epochs1.5", "epochs2.5"])
def test_a_branch_ends_in_the_bits_of_a_run_of_its_own(runs, arm):
    branched, alone = (runs[kind].done[f"train.{arm}.s0"] for kind in ("true", "false"))
    for checkpoint in ("best", "last"):
        first, second = (
            load_file(each.folder / checkpoint / "adapter_model.safetensors") for each in (branched, alone)
        )
        assert first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)
    records = [read_json(each.folder / "training_records.json") for each in (branched, alone)]
    counts = [{key: each["costs"]["train"][key] for key in ("flops", "tokens", "flops_6n")} for each in records]
    assert counts[0] == counts[1] and records[0]["best"] == records[1]["best"]
    losses = [[row["validation"]["loss"] for row in each["evaluations"]] for each in records]
    assert losses[0] == losses[1]


def test_what_branches_share_is_spent_once(runs):
    total = {
        kind: sum(spent(stored.artifact).tokens for name, stored in walk.done.items() if name.startswith("train."))
        for kind, walk in runs.items()
    }
    long = runs["true"].done["train.epochs2.5.s0"]
    cooldowns = {"epochs0.5": 12 - 10, "epochs1.5": 36 - 29}  # of 24 steps an epoch, a fifth of each at the end
    for arm, steps in cooldowns.items():
        branch = runs["true"].done[f"train.{arm}.s0"]
        assert 0 < branch.artifact.costs["train"].tokens < long.artifact.costs["train"].tokens
        own = branch.artifact.costs["train"].tokens / (
            branch.artifact.costs["train"].tokens + branch.artifact.costs["shared"].tokens
        )
        assert own == pytest.approx(steps / {"epochs0.5": 12, "epochs1.5": 36}[arm], abs=0.06)
    assert total["true"] < 0.75 * total["false"]


def test_each_arm_is_charged_as_far_as_it_goes(runs, tmp_path):
    recipe = load_recipe(SMALLEST, [*SETTINGS, "study.branches=true"])
    store = runs["true"].done["pool"].folder.parents[1]
    pipeline.run(recipe, out=tmp_path / "study", store=store)
    study = load(tmp_path / "study")
    charged = {arm: arm_charge(study, arm).whole.tokens for arm in study.arms}
    planned = {arm.name: arm for arm in plan(recipe, out=tmp_path / "study", store=store).arms}
    for arm, tokens in charged.items():
        assert tokens == study.runs[arm, 0].costs["train"].tokens == pytest.approx(planned[arm].tokens, rel=0.02)
    assert planned["epochs2.5"].shared_exaflops == 0
    assert planned["epochs1.5"].shared_exaflops == pytest.approx(0.8 * planned["epochs1.5"].exaflops, rel=0.05)
    assert (tmp_path / "study" / "adapters" / "epochs0.5_best").is_dir()
