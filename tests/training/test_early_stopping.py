"""Runs that end where their validation loss no longer falls."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests_support import SMALLEST
from winnow.budget import stopping_place
from winnow.errors import RecipeError
from winnow.parts import TrainPart, asked
from winnow.pipeline import selector_traits
from winnow.recipe import BudgetRecipe, TrainingRecipe
from winnow.recipe.file import load_recipe, parse_recipe
from winnow.study.graph import expand

RULE = {"patience": 2}


class InterruptedRun(Exception):
    pass


class StopAt:
    def __init__(self, step):
        self.step = step

    def update(self, done, total, note=""):
        if done == self.step:
            raise InterruptedRun


def by_hand(losses, patience, min_delta):
    """The first place whose last `patience` losses were all no better than the best one that counted before them."""
    best, counted = math.inf, []
    for loss in losses:
        counted.append(loss < best - min_delta)
        best = loss if counted[-1] else best
    places = [at for at in range(len(losses)) if at + 1 >= patience and not any(counted[at + 1 - patience : at + 1])]
    return places[0] if places else None


@given(st.lists(st.integers(0, 5).map(float), max_size=12), st.integers(1, 4), st.sampled_from([0.0, 1.0, 2.5]))
def test_the_rule_is_what_it_says(losses, patience, min_delta):
    assert stopping_place(losses, patience=patience, min_delta=min_delta) == by_hand(losses, patience, min_delta)


def test_a_loss_that_is_no_number_is_no_better():
    assert stopping_place([3.0, math.nan, math.nan], patience=2) == 2


def test_a_run_ends_with_its_log_whole_and_its_best_step(make_job, run_job, scripted_probe):
    job = make_job(every_steps=1, early_stopping=RULE)
    assert job.batches.plan.steps == 6
    tally, _ = run_job(job, probe=scripted_probe([5.0, 4.0, 3.0, 3.0, 3.5, 0.0]))
    assert [row["step"] for row in tally.evaluations] == [0, 1, 2, 3, 4]
    assert (tally.step, tally.visits, tally.best_step) == (4, 32, 2)
    assert tally.steps[-1]["step"] == 4 and not tally.pending


def test_a_gain_below_min_delta_is_none(make_job, run_job, scripted_probe):
    losses = [5.0, 4.95, 4.9, 0.0]
    job = make_job(every_steps=1, early_stopping=RULE | {"min_delta": 0.2})
    tally, _ = run_job(job, probe=scripted_probe(losses))
    assert tally.step == 2
    assert tally.best_step == 2  # the best checkpoint is the best one all the same


def test_without_a_rule_or_where_it_never_holds_a_run_goes_to_its_end(make_job, run_job, scripted_probe):
    falling = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    for name, rule in {"none": None, "one": {"patience": 1}}.items():
        tally, _ = run_job(make_job(every_steps=1, early_stopping=rule), name, probe=scripted_probe(falling))
        assert tally.step == 6


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(
    make_job, run_job, scripted_probe, weights_of, same_bits, without_seconds, stop
):
    losses = [5.0, 4.0, 4.5, 4.5, 0.0]
    options = {"every_steps": 1, "early_stopping": RULE, "checkpoint_every_seconds": 0.0, "method": "lora"}
    whole = make_job(**options)
    expected, _ = run_job(whole, "whole", probe=scripted_probe(losses))
    with pytest.raises(InterruptedRun):
        run_job(make_job(**options), progress=StopAt(stop), probe=scripted_probe(losses))
    job = make_job(**options)
    tally, _ = run_job(job, probe=scripted_probe(losses[stop + 1 :]))
    assert tally.step == expected.step == 3
    assert same_bits(weights_of(job), weights_of(whole))
    assert [without_seconds(at) for at in tally.steps] == [without_seconds(at) for at in expected.steps]
    assert without_seconds(dataclasses.asdict(tally.spent)) == without_seconds(dataclasses.asdict(expected.spent))


def test_studies_without_it_ask_what_they_asked():
    part = TrainPart(
        objective="sft", training=TrainingRecipe(), global_batch_size=4, budget=BudgetRecipe(pool_epochs=1)
    )
    assert "early_stopping" not in asked(part)["training"]
    ruled = part.model_copy(update={"training": TrainingRecipe(early_stopping={})})
    assert asked(ruled)["training"]["early_stopping"] == {"patience": 3, "min_delta": 0.0}


def test_trials_of_a_sweep_run_to_their_end():
    recipe = load_recipe(SMALLEST, ["training.early_stopping={}", "study.sweep={learning_rate: [1e-3, 1e-2]}"])
    graph = expand(recipe, selector_traits())
    trials = [stage.part.run.training for stage in graph.stages.values() if stage.kind == "trial"]
    assert trials and all(training.early_stopping is None for training in trials)
    assert graph.stages["train.full.s0"].part.training.early_stopping is not None


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"training": {"method": "none", "early_stopping": {}}}, "has nothing to stop"),
        ({"training": {"early_stopping": {"patience": 0}}}, "patience is 0; it must be at least 1"),
        ({"stages": [{"name": "a", "budget": {"tokens": 100}, "training": {"early_stopping": {}}}]}, "not evaluated"),
    ],
)
def test_what_cannot_stop_early_is_refused(sections, said):
    tree = load_recipe(SMALLEST).model_dump(mode="json")
    for key, value in sections.items():
        tree[key] = value if isinstance(value, list) else tree[key] | value
    with pytest.raises(RecipeError, match=said):
        parse_recipe(tree)


def test_branches_and_early_stopping_exclude_each_other():
    changes = [
        "vary={length: {budget.pool_epochs: [1, 2]}}", "study.branches=true", "training.early_stopping={}",
        "training.schedule=warmup_stable_decay",
    ]  # fmt: skip
    with pytest.raises(RecipeError, match="leave one of them out"):
        expand(load_recipe(SMALLEST, changes), selector_traits())


@pytest.mark.slow
def test_a_study_tells_what_was_left_and_that_arms_may_differ(command, tmp_path):
    # No loss falls by 100 nats: every run ends at its second evaluation.
    rule = "training.early_stopping={patience: 1, min_delta: 100}"
    arms = ["selection.arms=[full, random]", "selection.controls=false", "study.primary.arm=random_0.25"]
    words = [word for each in (rule, "budget.pool_epochs=2", *arms) for word in ("--set", each)]
    code, out, _ = command("plan", SMALLEST, *words, "--out", tmp_path / "s")
    assert code == 0 and "all figures are at most" in out
    code, _, err = command("run", SMALLEST, *words, "--out", tmp_path / "s", "--workers", 1)
    assert code == 0, err
    records = json.loads((tmp_path / "s" / "training_records.full.json").read_text())
    assert records["last"]["step"] == 5 < records["plan"]["steps"]
    table = (tmp_path / "s" / "tables" / "iso_compute.csv").read_text().splitlines()
    row = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    left = 1 - records["costs"]["train"]["flops"] / records["plan"]["flops"]
    assert float(row["unspent_percent"]) == pytest.approx(100 * left) and row["stopped_early"] == "1"
    assert int(row["steps"]) == 5 and int(row["visits"]) == records["last"]["visits"] == 80
    assert "arms may differ in compute" in (tmp_path / "s" / "README.md").read_text()
