"""What every objective promises; a new one is tested here by being registered, with its options at their defaults.

In float64, so that what remains is rounding: gradients against brute force, the way through a batch (micro-batches,
packing, ranks), a resumed run, costs against torch's counter.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
import toys
from toys import token_table, toy_examples, toy_model, toy_tokenizer

from winnow.budget import Allowance, plan_visits
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.recipe import TrainingRecipe
from winnow.records import Silent
from winnow.training import launching
from winnow.training.loop import Job, train
from winnow.training.objectives import registry
from winnow.training.objectives.goal import goal_of
from winnow.training.objectives.views import Material

NAMES = registry.names()
ROWS, BATCH, STEPS = 11, 4, 5
FULL = {"method": "full", "learning_rate": 3e-3, "precision": "float64", "checkpoint_every_seconds": 1e9}

one_cpu_thread = toys.one_cpu_thread


def model_of(seed=0):
    return toy_model(seed=seed, spread=0.1, attention="eager", dtype=torch.float64)


def goal_for(name):
    beside = registry.find(name).beside
    return goal_of(name, {}, {role: model_of(seed).requires_grad_(False) for seed, role in enumerate(beside, start=1)})


def rows_for(goal):
    """Ragged rows of a pool of eleven examples, which count differently; or a corpus in eleven rows."""
    examples = [example for number in (7, 4) for example in toy_examples(number, source=f"of {number} " * number)]
    table = token_table(examples)
    if goal.objective.takes == "corpus":
        table = pa.table({"text": [f"{n} eggs and {n} more. " * 2 for n in range(ROWS)]})
    rows = goal.rows(Material(table, TrainingRecipe(**FULL), toy_tokenizer(), context_tokens=24))
    return rows.take(np.arange(ROWS))


def job_for(name, *, micro=BATCH, packing=False, every=1e9):
    goal = goal_for(name)
    rows, model = rows_for(goal), toy_model(spread=0.1, dtype=torch.float64)
    recipe = TrainingRecipe(
        **FULL | {"packing": packing, "per_device_batch_size": micro, "checkpoint_every_seconds": every}
    )
    flops = flop_model(model)
    plan = plan_visits(
        rows.lengths, goal.visit_flops(flops, rows), allowed=Allowance("visits", BATCH * STEPS),
        global_batch_size=BATCH, seed=2,
    )  # fmt: skip
    batches = goal.batches(
        rows, plan, global_batch_size=BATCH, micro_batch_size=micro, seed=2, packing=packing, devices=1,
        start_tokens=None,
    )  # fmt: skip
    return Job(model, goal, batches, recipe, flops, 2, None, "validation", lambda folder: None)


def whole_weight(goal, batches):
    return sum(goal.weight(batch) for batch in batches)


def gradient_of(job):
    """[weights]: the gradient of the first step as the loop takes it, and its loss."""
    models = job.goal.models(Losses(job.model))
    batches = job.batches.micro_batches(0)
    total, value = whole_weight(job.goal, batches), 0.0
    for batch in batches:
        loss = job.goal.loss(models, batch, total_weight=total)
        loss.value.backward()
        value += loss.value.item()
    return torch.cat([weight.grad.flatten() for weight in job.model.parameters()]), value


def alone(job):
    """The visits of the first step, each a batch of its own, without padding."""
    return job.batches.micro_batches(0, 1)


def loss_alone(job, batches):
    models = job.goal.models(Losses(job.model))
    total = whole_weight(job.goal, batches)
    return sum(job.goal.loss(models, batch, total_weight=total).value for batch in batches)


# ------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_the_loss_of_single_examples(name, packing):
    """By central differences along directions in the space of weights: right whatever the backward pass does."""
    gradient, value = gradient_of(job_for(name, packing=packing))
    job = job_for(name)
    batches, weights = alone(job), parameters_to_vector(job.model.parameters()).detach()
    generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def at(shift):
        vector_to_parameters(weights + shift, job.model.parameters())
        return float(loss_alone(job, batches))

    assert at(0 * weights) == pytest.approx(value, abs=1e-9)
    for _ in range(4):
        way = torch.randn(len(weights), generator=generator, dtype=torch.float64)
        way /= way.norm()
        found = (at(1e-4 * way) - at(-1e-4 * way)) / 2e-4
        assert float(gradient @ way) == pytest.approx(found, rel=1e-5, abs=1e-8)


def nats(model, batch):
    """Of every target of a row that stands alone, from all its logits."""
    logits = model(input_ids=batch.ids).logits[0, :-1]
    chosen = torch.log_softmax(logits, dim=-1)[torch.arange(len(logits)), batch.ids[0, 1:]]
    return -chosen[batch.is_target[0, 1:]]


def mean_over_targets(model, batches):
    return torch.cat([nats(model, batch) for batch in batches]).mean()


PLAIN = {"sft": mean_over_targets, "pretraining": mean_over_targets}
"""Objective -> the loss of a step as its definition says it, from single rows."""


@pytest.mark.parametrize("name", PLAIN)
def test_the_gradient_is_that_of_its_definition(name):
    gradient, value = gradient_of(job_for(name, micro=3))
    job = job_for(name)
    loss = PLAIN[name](job.model, alone(job))
    loss.backward()
    expected = torch.cat([weight.grad.flatten() for weight in job.model.parameters()])
    assert value == pytest.approx(loss.item(), abs=1e-9) and (gradient - expected).abs().max() < 1e-9


def test_every_built_in_objective_has_a_plain_definition():
    assert set(PLAIN) == set(registry.BUILT_IN)


# ------------------------------------------------------------------------------------------- the way through a run


def trained(job, folder, ranks=None):
    tally, _ = train(job, folder, Silent(), None)
    return parameters_to_vector(job.model.parameters()).detach().numpy(), tally.steps


def check_same(job, found, wanted):
    (weights, steps), (expected, told) = found, wanted
    assert np.abs(weights - expected).max() < 1e-9
    logged = ("loss", "visits", "tokens", "flops", *job.goal.objective.metrics)
    for step, one in zip(steps, told, strict=True):
        assert [step[key] for key in logged] == pytest.approx([one[key] for key in logged], rel=1e-9, abs=1e-9)


@pytest.fixture
def whole(tmp_path):
    return lambda name: trained(job_for(name), tmp_path / "whole")


@pytest.mark.parametrize("how", [{"micro": 1}, {"micro": 3}, {"packing": True}, {"packing": True, "micro": 1}], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_and_packing_do_not_matter(name, how, whole, tmp_path):
    job = job_for(name, **how)
    check_same(job, trained(job, tmp_path / "other"), whole(name))


@pytest.mark.parametrize("name", NAMES)
def test_ranks_do_not_matter(name, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "START_METHOD", "fork")
    expected = whole(name)

    def work(ranks, told):
        job = job_for(name, micro=1)
        object.__setattr__(job, "ranks", ranks)
        return trained(job, tmp_path / "ranks")

    check_same(job_for(name), launching.together(work, 2, progress=Silent()), expected)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_comes_to_the_same_bits(name, whole, tmp_path):
    class Kill:
        def update(self, done, total, note=""):
            if done == 3:
                raise KilledError

    with pytest.raises(KilledError):
        train(job_for(name, every=0.0), tmp_path / "killed", Kill(), None)
    weights, steps = trained(job_for(name, every=0.0), tmp_path / "killed")
    expected, told = whole(name)
    assert np.array_equal(weights, expected)
    timeless = [[{key: at[key] for key in at if "seconds" not in key} for at in points] for points in (steps, told)]
    assert timeless[0] == timeless[1]
    shutil.rmtree(tmp_path / "killed")


@pytest.mark.parametrize("name", NAMES)
def test_a_step_visits_the_same_rows_whatever_its_batches(name):
    for step in range(STEPS):
        cut, lines = job_for(name, micro=1).batches, job_for(name, packing=True).batches
        visits = [
            sorted(row for batch in batches.micro_batches(step) for row in batch.rows)
            for batches in (job_for(name).batches, cut, lines)
        ]
        assert visits[0] == visits[1] == visits[2]


@pytest.mark.parametrize("name", NAMES)
def test_it_logs_the_metrics_that_it_names(name):
    job = job_for(name)
    models = job.goal.models(Losses(job.model))
    loss = job.goal.loss(models, job.batches.micro_batches(0)[0], total_weight=1.0)
    assert set(loss.metrics) == set(job.goal.objective.metrics)


# ------------------------------------------------------------------------------------------- what it costs


def added_product(total, first, second, **others):
    """FLOPs of a product that is added to what is there, which torch's counter passes over."""
    return 2 * first[0] * first[1] * second[1]


IN_PLACE = {torch.ops.aten.addmm_: added_product}


def counted(job, batch):
    """What torch counts of one batch, forward and backward, all models."""
    models = job.goal.models(Losses(job.model))
    with FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
        job.goal.loss(models, batch, total_weight=1.0).value.backward()
    return models, counter.get_total_flops()


def eager(name):
    job = job_for(name)
    object.__setattr__(job, "model", model_of())
    return job


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_costs_what_torch_counts(name):
    job = eager(name)
    for batch in job.batches.micro_batches(0):
        models, found = counted(job, batch)
        assert job.goal.executed_flops(models, job.flops, batch, is_rerun=False) == pytest.approx(found, rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_visit_costs_what_torch_counts_and_the_head_at_every_position(name):
    job = eager(name)
    for batch in alone(job):
        _, found = counted(job, batch)
        head = job.flops.train.head + sum(flop_model(model).forward.head for model in job.goal.beside.values())
        positions = batch.ids.numel() - int(batch.is_target[:, 1:].sum())
        (row,) = batch.rows
        assert job.visit_flops[row] == pytest.approx(found + head * positions, rel=0.01)
