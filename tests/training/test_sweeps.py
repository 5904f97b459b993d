"""The stages of a learning-rate sweep: trials, and the choice among them."""

import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from toys import store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer

from winnow.errors import BudgetError, TrainingError
from winnow.evaluation.probe import validation_probe
from winnow.models import loading
from winnow.parts import SweepPart, TrainPart, TrialPart
from winnow.recipe import BudgetRecipe, TrainingRecipe
from winnow.records import Context, Cost, Outcome
from winnow.store import read_json, write_json
from winnow.training import sweeps
from winnow.training.stages import train_model
from winnow.training.sweeps import choose_rate, is_stable, run_trial

FULL = TrainingRecipe(method="full", per_device_batch_size=4, learning_rate=1e-3)
PART = SweepPart(of="herding_0.1", choose="lowest_loss", checkpoint="best")


def trial(rate, *validation, training=(), is_finished=True):
    """A trial with these validation losses, the first before training, and training losses; the first step's is 2."""
    rows = [{"step": step, "validation_loss": loss} for step, loss in enumerate(validation)]
    for row, loss in zip(rows, (None, *(training or (1.0,) * (len(rows) - 1))), strict=True):
        row["training_loss"] = loss
    return {"learning_rate": rate, "is_finished": is_finished, "first_training_loss": 2.0, "evaluations": rows}


@pytest.fixture
def choose(tmp_path):
    """Choose among these trials; gives the numbers of the stage, and what the runs will rest on."""

    def run(*trials, part=PART):
        inputs = {}
        for made in trials:
            stored = store_artifact(tmp_path, "trial", str(made["learning_rate"]))
            write_json(stored.folder / "trial.json", made)
            inputs[f"trial.{made['learning_rate']}"] = stored
        folder = store_artifact(tmp_path, "sweep", "sweep").folder
        outcome = choose_rate(part, inputs, Context(folder))
        assert outcome.outputs == ("learning_rate.json",)
        return outcome.numbers, read_json(folder / "learning_rate.json")

    return run


@pytest.mark.parametrize(("made", "expected"), [
    (trial(1, 3.0, 2.0, 1.0), True),
    (trial(1, 3.0, 2.0, 1.0, is_finished=False), False),
    (trial(1, 3.0, None, 1.0), False),
    (trial(1, None, 2.0, 1.0), False),
    (trial(1, 3.0, 4.0, 1.0, training=(5.0, 1.0)), False),
    (trial(1, 3.0, 2.0, 4.0, training=(1.0, 0.5)), True),
])  # fmt: skip
def test_stable_is_never_worse_than_before_training_overfitting_aside(made, expected):
    assert is_stable(made) is expected


def test_the_lowest_validation_loss_of_the_stable_rates_wins(choose):
    burst = trial(0.3, 3.0, 0.5, 9.0, training=(1.0, 9.0))
    numbers, left = choose(burst, trial(0.01, 3.0, 2.0, 1.5), trial(0.1, 3.0, 1.0, 1.2))
    assert left == {"learning_rate": 0.1} and numbers["learning_rate"] == 0.1
    assert numbers["trials"] == [
        {"learning_rate": 0.01, "loss": 1.5, "is_stable": True},
        {"learning_rate": 0.1, "loss": 1.0, "is_stable": True},
        {"learning_rate": 0.3, "loss": 0.5, "is_stable": False},
    ]


def test_the_last_checkpoint_counts_where_the_study_compares_it(choose):
    trials = trial(0.01, 3.0, 2.0, 1.1), trial(0.1, 3.0, 1.0, 1.2)
    assert choose(*trials)[1] == {"learning_rate": 0.1}
    assert choose(*trials, part=PART.model_copy(update={"checkpoint": "last"}))[1] == {"learning_rate": 0.01}


def test_the_highest_stable_rate_can_be_asked_for(choose):
    part = PART.model_copy(update={"choose": "highest_stable"})
    burst = trial(1.0, 3.0, None, is_finished=False)
    assert choose(trial(0.1, 3.0, 2.5), trial(0.01, 3.0, 1.0), burst, part=part)[1] == {"learning_rate": 0.1}


def test_of_equal_losses_the_lower_rate_wins_and_a_longer_grid_changes_nothing_by_itself(choose):
    short = trial(0.2, 3.0, 1.0), trial(0.1, 3.0, 1.0)
    assert choose(*short)[1] == choose(*short, trial(0.4, 3.0, 2.0))[1] == {"learning_rate": 0.1}


def test_a_grid_without_a_stable_rate_is_an_error_that_names_the_arm(choose):
    with pytest.raises(TrainingError, match=r"none of the learning rates 0\.1, 0\.3 is stable for herding_0\.1"):
        choose(trial(0.3, 3.0, None), trial(0.1, 3.0, 4.0, training=(4.0,)))


@pytest.fixture
def inputs(tmp_path):
    """A pool of twelve examples with a validation split, a tokenizer, a base model and a selection of five."""
    pool = store_artifact(tmp_path, "pool", "pool", {"examples": 12})
    table = token_table(toy_examples(12))
    pq.write_table(table, pool.folder / "train.parquet")
    pq.write_table(token_table(toy_examples(3, source="held")), pool.folder / "validation.parquet")
    base = store_artifact(tmp_path, "model", "base", {"model": "some/base"})
    loading.save_model(toy_model(), base.folder / "last", toy_tokenizer(), None)
    selection = store_artifact(tmp_path, "select", "five", {"charged_flops": 3e7})
    rows = pa.table({"id": table["id"].to_pylist()[:5], "rank": range(5)})
    pq.write_table(rows, selection.folder / "selection.parquet")
    return {"data": pool, "tokenizer": store_tokenizer(tmp_path), "start": base, "selection": selection}


def part_of(budget, *, rate=1e-3, fraction=0.5, **others):
    run = TrainPart(
        objective="sft", training=FULL.model_copy(update={"learning_rate": rate}), global_batch_size=4,
        budget=BudgetRecipe(**budget), every_steps=2, seed=1, **others,
    )  # fmt: skip
    return TrialPart(run=run, budget_fraction=fraction)


@pytest.fixture
def try_rate(tmp_path, inputs):
    """Run a trial; gives its folder and outcome."""

    def run(part, name="trial"):
        stored = store_artifact(tmp_path, "trial", name)
        context = Context(stored.folder, make_probe=lambda model: validation_probe(inputs["data"]))
        return stored.folder, run_trial(part, inputs, context)

    return run


def test_a_trial_is_the_run_cut_short_and_leaves_its_losses_alone(try_rate, inputs):
    folder, outcome = try_rate(part_of({"examples": 40}))
    made = read_json(folder / "trial.json")
    assert outcome.numbers["steps"] == 5 and [row["step"] for row in made["evaluations"]] == [0, 2, 4, 5]
    assert made["evaluations"][0]["training_loss"] is None and made["is_finished"] and is_stable(made)
    assert made["evaluations"][-1]["validation_loss"] < made["evaluations"][0]["validation_loss"]
    assert outcome.costs["train"].tokens > 0 and outcome.costs["evaluate"].flops > 0
    assert sorted(path.name for path in folder.iterdir()) == ["trial.json", "trial_records.json"]


def test_a_trial_whose_loss_is_no_number_is_recorded_and_charged(try_rate):
    folder, outcome = try_rate(part_of({"examples": 40}, rate=1e30))
    made = read_json(folder / "trial.json")
    assert not made["is_finished"] and not is_stable(made)
    assert 0 < outcome.numbers["steps"] < 5 and outcome.costs["train"].flops > 0


def test_a_trial_that_was_killed_before_its_record_is_not_trained_again(try_rate, inputs, tmp_path):
    folder, outcome = try_rate(part_of({"examples": 40}))
    told = (folder / "trial.json").read_text()
    (folder / "trial.json").unlink()
    (folder / "last").mkdir()
    again = run_trial(part_of({"examples": 40}), {}, Context(folder))
    assert again == outcome and (folder / "trial.json").read_text() == told and not (folder / "last").exists()


@pytest.mark.parametrize("budget", [{"pool_epochs": 2}, {"flops": 4e8}, {"tokens": 800}])
@pytest.mark.slow
def test_a_trial_has_its_share_of_what_the_run_may_train_on(try_rate, inputs, tmp_path, budget):
    part = part_of(budget, charge_selection="flops" in budget)
    trial = try_rate(part)[1].costs["train"]
    run = train_model(part.run, inputs, Context(store_artifact(tmp_path, "train", "whole").folder)).costs["train"]
    assert trial.flops == pytest.approx(0.5 * run.flops, rel=0.1)


def test_an_arm_that_cannot_pay_for_its_selection_tries_nothing(try_rate):
    with pytest.raises(BudgetError, match="not affordable"):
        try_rate(part_of({"flops": 1e7}, charge_selection=True))


def test_a_run_takes_the_rate_that_its_sweep_chose(inputs, tmp_path):
    sweep = store_artifact(tmp_path, "sweep", "chosen", {"learning_rate": 0.25})
    run = store_artifact(tmp_path, "train", "run")
    train_model(part_of({"examples": 4}).run, inputs | {"sweep": sweep}, Context(run.folder))
    assert read_json(run.folder / "training_records.json")["training"]["learning_rate"] == 0.25


class Curve:
    """Trials whose best rate lies at `best`, on a logarithmic scale, where `run_trial` would train them."""

    def __init__(self, best, monkeypatch):
        self.best, self.tried = best, []
        monkeypatch.setattr(sweeps, "run_trial", self.run)

    def trial(self, rate):
        return trial(rate, 3.0, 1.0 + abs(math.log(rate / self.best)) / 20)

    def run(self, part, inputs, context):
        rate = part.run.training.learning_rate
        self.tried.append(rate)
        assert set(inputs) == {"data"}
        write_json(context.folder / "trial.json", self.trial(rate))
        return Outcome((), numbers={"steps": 3}, costs={"train": Cost(flops=5.0)}, wasted=Cost(flops=1.0))


BEYOND = TrialPart(
    run=TrainPart(objective="sft", training=FULL, global_batch_size=4, budget=BudgetRecipe(examples=8)),
    budget_fraction=0.5,
)


@pytest.mark.parametrize(
    ("best", "tried", "chosen"),
    [
        (3e-3, [], 3e-3),
        (1.1e-2, [2.7e-2], 9e-3),
        (2.7e-2, [2.7e-2, 8.1e-2], 2.7e-2),
        (1.0, [2.7e-2, 8.1e-2], 8.1e-2),
        (1e-3, [1e-3 / 3], 1e-3),
        (1e-9, [1e-3 / 3, 1e-3 / 9], 1e-3 / 9),
    ],
)
def test_a_best_rate_at_an_end_is_followed_beyond_it_twice_at_most(best, tried, chosen, tmp_path, monkeypatch):
    curve, inputs = Curve(best, monkeypatch), {"data": store_artifact(tmp_path, "pool", "pool")}
    for rate in (1e-3, 3e-3, 9e-3):
        inputs[f"trial.{rate}"] = store_artifact(tmp_path, "trial", str(rate))
        write_json(inputs[f"trial.{rate}"].folder / "trial.json", curve.trial(rate))
    folder = store_artifact(tmp_path, "sweep", "sweep").folder
    outcome = choose_rate(PART.model_copy(update={"beyond": BEYOND}), inputs, Context(folder))
    assert curve.tried == pytest.approx(tried)
    assert outcome.numbers["learning_rate"] == pytest.approx(chosen)
    assert read_json(folder / "learning_rate.json") == {"learning_rate": outcome.numbers["learning_rate"]}
    rates = [row["learning_rate"] for row in outcome.numbers["trials"]]
    assert rates == sorted(rates) and len(rates) == 3 + len(tried)
    beyond = [row["learning_rate"] for row in outcome.numbers["trials"] if row.get("is_beyond")]
    assert beyond == pytest.approx(sorted(tried))
    assert outcome.costs == ({"train": Cost(flops=5.0 * len(tried))} if tried else {})
    assert outcome.wasted == Cost(flops=1.0 * len(tried))
