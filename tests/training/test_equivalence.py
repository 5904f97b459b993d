"""Ways to train that are one and the same in exact arithmetic: all weights after every step, in float64.

Rows are ragged. Every weight agrees to 1e-9, and what remains has zero mean: rounding, no bias.
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from toys import toy_model, toy_rows, whole_batch

from winnow.models import rows as token_rows
from winnow.models.forward import Losses
from winnow.models.loading import adapt, merged
from winnow.models.rows import pad
from winnow.recipe import LoraRecipe
from winnow.training import batches, loop
from winnow.training.batches import EpochBatches

ARCHITECTURES = ["gpt2", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("llama", "qwen2"))]
LORA = LoraRecipe(r=4, lora_dropout=0.0, target_modules="all-linear")
STEPS = 6
WHOLE = {}
"""Architecture -> the trajectory with one padded micro-batch a step."""


class Watch:
    """Progress that keeps the trained weights after every step, end to end, and calls a function."""

    def __init__(self, model, then):
        self.model, self.then, self.states = model, then, []

    def update(self, done, total, note=""):
        weights = [w.detach().flatten() for w in self.model.parameters() if w.requires_grad]
        self.states.append(torch.cat(weights).clone())
        self.then(self.model)


@pytest.fixture
def follow(run_job):
    """[steps, weights]: all trained weights after every step of a job."""

    def train(job, name="run", *, then=lambda model: None):
        watch = Watch(job.model, then)
        run_job(job, name, progress=watch)
        return torch.stack(watch.states)

    return train


@pytest.fixture
def build(make_job):
    def job(kind, **options):
        usual = {"micro": 8, "learning_rate": 3e-3, "precision": "float64", "dtype": torch.float64, "lora": LORA}
        return make_job(**usual | {"model": toy_model(kind, spread=0.1)} | options)

    return job


@pytest.fixture
def whole(build, follow):
    def trajectory(kind):
        if kind not in WHOLE:
            WHOLE[kind] = follow(build(kind), "whole")
        return WHOLE[kind]

    return trajectory


def check_same(first, second):
    residual = first - second
    assert len(first) == STEPS and (first[-1] - first[0]).abs().max() > 1e-3
    assert residual.abs().max() < 1e-9
    assert residual.mean().abs() < 1e-10


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize(
    "options",
    [{"micro": 3}, {"packing": True}, {"packing": True, "micro": 2}, {"gradient_checkpointing": True}],
    ids=["micro-batches", "packed", "packed in micro-batches", "gradient checkpointing"],
)
def test_the_way_through_the_batch_does_not_matter(build, follow, whole, kind, options):
    check_same(whole(kind), follow(build(kind, **options)))


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("options", [{"packing": True}, {"gradient_checkpointing": True}], ids=lambda o: next(iter(o)))
@pytest.mark.slow
def test_nor_for_an_adapter(build, follow, kind, options):
    check_same(follow(build(kind, method="lora"), "plain"), follow(build(kind, method="lora", **options)))


def test_packed_rows_of_unequal_weight(build, follow):
    rows = dataclasses.replace(toy_rows(20), weights=np.linspace(0.5, 1.5, 20))
    plain = follow(build("gpt2", rows=rows), "plain")
    check_same(plain, follow(build("gpt2", rows=rows, packing=True)))


def test_examples_that_saw_each_other_would_be_noticed(build, follow, whole, monkeypatch):
    def without_positions(rows, lines):
        return dataclasses.replace(token_rows.pack(rows, lines), positions=None)

    monkeypatch.setattr(batches, "pack", without_positions)
    assert (whole("gpt2") - follow(build("gpt2", packing=True))).abs().max() > 1e-4


class Unsorted(EpochBatches):
    """Micro-batches of rows in the order of visit."""

    def micro_batches(self, step, size=None):
        members = self.members(step)
        return [pad(self.rows, members[cut : cut + 3]) for cut in range(0, len(members), 3)]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_sorting_by_length_does_not_matter(build, follow, whole, kind):
    job = build(kind)
    unsorted = Unsorted(job.batches.rows, job.batches.plan, global_batch_size=8, micro_batch_size=3, seed=3)
    assert unsorted.micro_batches(0)[0].rows != job.batches.micro_batches(0, 3)[0].rows
    check_same(whole(kind), follow(dataclasses.replace(job, batches=unsorted)))


class DenseHead(Losses):
    """Logits of every position, from the whole model."""

    def _head_is_plain(self):
        return False


class OneBlock(Losses):
    """Logits of the targets all at once, their gradients by torch."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.is_blockwise = False


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("losses", [DenseHead, OneBlock])
def test_where_the_logits_are_made_does_not_matter(build, follow, whole, monkeypatch, kind, losses):
    job = build(kind)
    used = losses(job.model)
    assert (used.is_sparse, used.is_blockwise) == (losses is OneBlock, False)
    monkeypatch.setattr(loop, "Losses", losses)
    check_same(whole(kind), follow(job))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_merged_adapter_has_the_losses_of_the_unmerged_after_every_step(build, follow, kind):
    job, gaps, sizes = build(kind, method="lora"), [], []
    batch = whole_batch(job.batches.rows)

    @torch.no_grad()
    def compare(model):
        first, second, base = (Losses(each).of_targets(batch) for each in (model, merged(model), start))
        gaps.append(first - second)
        sizes.append((first - base).abs().max())

    start = toy_model(kind, spread=0.1, dtype=torch.float64)
    follow(job, then=compare)
    gap = torch.stack(gaps)
    assert len(gap) == STEPS and min(sizes) > 1e-4
    assert gap.abs().max() < 1e-9 and gap.mean().abs() < 1e-10


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.slow
def test_a_run_from_a_merged_start_is_one_on_top_of_the_unmerged(build, follow, kind):
    first = build(kind, method="lora")
    follow(first, "first")
    on_merged = build(kind, method="lora", model=merged(first.model))
    on_top = build(kind)
    stacked = copy.deepcopy(first.model).requires_grad_(False)
    fresh = adapt(toy_model(kind), LORA, seed=0)
    stacked.add_adapter("second", fresh.peft_config["default"])
    stacked.base_model.set_adapter(["default", "second"])
    for name, weight in stacked.named_parameters():
        weight.requires_grad_(".second." in name)
    second = {name.replace(".second", ".default"): w for name, w in stacked.named_parameters() if w.requires_grad}
    with torch.no_grad():
        for name, weight in on_merged.model.named_parameters():
            if weight.requires_grad:
                second[name].copy_(weight)
    check_same(
        follow(on_merged, "on merged"),
        follow(dataclasses.replace(on_top, model=stacked.double(), recipe=on_merged.recipe), "on top"),
    )
