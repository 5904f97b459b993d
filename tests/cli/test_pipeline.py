"""A whole study through the library: what it leaves, running twice, extending, sharing a store."""

import csv
import json
import shutil

import pytest

from tests_support import ROOT, SMALLEST
from winnow.errors import ArtifactError, BudgetError, RecipeError
from winnow.pipeline import advance, dry_run, report, run
from winnow.recipe.file import load_recipe
from winnow.walk import Watch

pytestmark = pytest.mark.slow


class Counting(Watch):
    """Remembers what was made."""

    def __init__(self):
        self.made = []

    def stage(self, name, kind):
        self.made.append(name)
        return super().stage(name, kind)


@pytest.fixture
def beside(finished_study, request):
    """A place for another study, whose store has all that the finished one made."""
    return finished_study.parent / request.node.name


def rows(folder, table):
    with (folder / "tables" / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_leaves_what_the_readme_promises(finished_study):
    names = {path.relative_to(finished_study).as_posix() for path in finished_study.rglob("*") if path.is_file()}
    tables = ("adapters", "iso_compute", "evaluation", "savings", "composition")
    assert {f"tables/{t}.{kind}" for t in tables for kind in ("csv", "md")} <= names
    assert {"recipe.yaml", "study.json", "report.html", "README.md", "training_records.herding_0.25.json"} <= names
    arms = {"full", "random_0.25", "equal_shares_0.25", "herding_0.25"}
    assert {path.name for path in (finished_study / "adapters").iterdir()} == {
        f"{arm}_{kind}" for arm in arms for kind in ("best", "last")
    }
    assert not [name for name in names if "partial" in name]


def test_running_again_makes_nothing(finished_study):
    watch = Counting()
    run(load_recipe(SMALLEST), out=finished_study, watch=watch)
    assert watch.made == []
    assert dry_run(load_recipe(SMALLEST), finished_study, None) == []


def test_report_alone_gives_the_same_tables(finished_study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished_study, copy)
    shutil.rmtree(copy / "tables")
    (copy / "report.html").unlink()
    report(copy)
    for table in (finished_study / "tables").iterdir():
        assert (copy / "tables" / table.name).read_bytes() == table.read_bytes()


def test_a_second_seed_runs_only_that_seed(finished_study, beside):
    folder = shutil.copytree(finished_study, beside)
    watch = Counting()
    findings = run(load_recipe(SMALLEST, ["study.seeds=[0,1]"]), out=folder, watch=watch)
    assert watch.made
    assert all(name.endswith(".s1") for name in watch.made)
    assert (folder / "adapters" / "herding_0.25_s1_best").is_dir()
    assert (folder / "training_records.full_s1.json").is_file()
    assert findings.verdict.primary.gain.num == 2


def test_a_new_evaluation_set_trains_nothing_again(finished_study, beside):
    folder = shutil.copytree(finished_study, beside)
    hard = "{name: hard, licence: CC0-1.0, problems: {examples: 20, families: all, seed: 103}}"
    easy = "{name: easy, licence: CC0-1.0, problems: {examples: 30, families: easy, seed: 100}}"
    watch = Counting()
    run(load_recipe(SMALLEST, [f"evaluation.sets=[{easy}, {hard}]"]), out=folder, watch=watch)
    assert not [name for name in watch.made if name.startswith(("train.", "base", "select.", "features"))]
    assert {row["set"] for row in rows(folder, "evaluation")} >= {"easy", "hard", "micro", "macro"}


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("pool.seed=5", "pool.seed"),
        ("base.pretrain.seed=5", "base.pretrain.seed"),
        ("budget.pool_epochs=2", "budget.pool_epochs"),
        ("training.learning_rate=1e-4", "training.learning_rate"),
        ("study.primary.baseline=random_0.25", "primary.baseline"),
    ],
)
def test_a_folder_of_another_study_is_refused(finished_study, override, named):
    with pytest.raises(ArtifactError, match=named):
        run(load_recipe(SMALLEST, [override]), out=finished_study)


def test_an_arm_that_cannot_pay_for_its_selection_is_a_row(beside):
    overrides = ["budget.flops=6e8", "selection.fractions=[0.1]", "study.primary.arm=random_0.1"]
    findings = run(load_recipe(SMALLEST, overrides), out=beside)
    arms = {arm.name: arm.not_affordable for arm in findings.arms}
    assert "not affordable" in arms["herding_0.1"]
    assert not arms["random_0.1"]
    assert "not affordable" in (beside / "report.html").read_text()


def test_one_run_can_be_addressed_alone(tmp_path):
    walk = advance(load_recipe(SMALLEST), "train", out=tmp_path / "s", arm="random_0.25", seed=0)
    trained = [name for name in walk.done if name.startswith("train.")]
    assert trained == ["train.random_0.25.s0"]
    with pytest.raises(RecipeError, match="random_0.25"):
        advance(load_recipe(SMALLEST), "train", out=tmp_path / "s", arm="randm_0.25")
    with pytest.raises(RecipeError, match="study.seeds"):
        advance(load_recipe(SMALLEST), "train", out=tmp_path / "s", seed=9)


def test_a_stage_of_its_own_starts_from_the_base_and_arms_from_it(beside):
    stage = "[{name: warm, budget: {examples: 32}, training: {method: lora, per_device_batch_size: 16}}]"
    recipe = load_recipe(SMALLEST, [f"stages={stage}", "training.start=warm"])
    walk = advance(recipe, "train", out=beside, arm="random_0.25")
    warm = walk.done["warm"]
    assert warm.numbers["visits"] == 32
    run_artifact = walk.done["train.random_0.25.s0"].artifact
    assert run_artifact.inputs["start"] == warm.artifact.fingerprint


def test_every_number_of_the_ledger_comes_from_the_stages(finished_study):
    listed = json.loads((finished_study / "records" / "stages.json").read_text())
    spent = sum(cost["flops"] for entry in listed for cost in entry["costs"].values())
    told = sum(float(row["spent_exaflops"]) for row in rows(finished_study, "ledger_stages")) * 1e18
    assert told == pytest.approx(spent, rel=1e-9)


def test_seconds_need_a_speed_and_keep_it(beside, monkeypatch):
    overrides = [
        "budget.seconds=0.5",
        "machine={dollars_per_hour: 1}",
        "selection.arms=[random]",
        "selection.controls=false",
        "study.primary={baseline: random_0.25}",
    ]
    calls = []
    monkeypatch.setattr("winnow.training.calibration.measure", lambda recipe: calls.append(1) or 1e10)
    for _ in range(2):
        run(load_recipe(SMALLEST, overrides), out=beside)
    assert calls == [1]
    assert json.loads((beside / "study.json").read_text())["machine"]["flops_per_second"] == 1e10


def test_a_budget_below_one_example_is_one_clear_error(beside):
    with pytest.raises(BudgetError, match="less than one example"):
        run(load_recipe(SMALLEST, ["budget.tokens=3"]), out=beside)


def test_recipes_stand_where_the_readme_says():
    assert {"quickstart.yaml", "smallest.yaml", "gsm-cpu.yaml", "gsm-gpt2-rff.yaml"} <= {
        path.name for path in (ROOT / "recipes").iterdir()
    }
