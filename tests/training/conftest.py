import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
import toys
from toys import toy_model, toy_rows

from winnow.budget import Allowance, plan_visits
from winnow.models.flops import flop_model
from winnow.models.loading import adapt
from winnow.recipe import LoraRecipe, TrainingRecipe
from winnow.records import Cost, Silent
from winnow.training.batches import EpochBatches
from winnow.training.loop import Job, train
from winnow.training.objectives.goal import goal_of

NEVER = 1e9
"""Seconds between two checkpoints where a test wants none."""
LORA = LoraRecipe(r=4, lora_dropout=0.2)

one_cpu_thread = toys.one_cpu_thread


@pytest.fixture
def make_job():
    """A job over 20 random rows, ready to train; other keys go to the training recipe."""

    def build(
        allowed=("visits", 44), *, global_batch=8, micro=4, every_steps=None, best_by="validation", saved=None,
        method="full", dtype=torch.float32, rows=None, model=None, goal=None, **recipe,
    ):  # fmt: skip
        options = {"learning_rate": 1e-2, "checkpoint_every_seconds": NEVER, "lora": LORA} | recipe
        training = TrainingRecipe(method=method, per_device_batch_size=micro, **options)
        model, rows = model or toy_model(), rows or toy_rows(20)
        model = (adapt(model, training.lora, seed=0) if method == "lora" else model).to(dtype)
        flops = flop_model(model)
        plan = plan_visits(
            rows.lengths, flops.train(rows.lengths), allowed=Allowance(*allowed), global_batch_size=global_batch, seed=3
        )
        batches = EpochBatches(
            rows, plan, global_batch_size=global_batch, micro_batch_size=micro, seed=3, packing=training.packing
        )
        keep = [] if saved is None else saved

        def save(folder):
            (folder / "weights").write_bytes(b"some")
            keep.append(folder.name.partition("_")[0].removesuffix(".partial"))

        return Job(model, goal or goal_of("sft"), batches, training, flops, 3, every_steps, best_by, save)

    return build


@pytest.fixture
def run_job(tmp_path):
    """Train a job in a folder of this name; gives the tally and what was wasted."""

    def run(job, name="run", *, progress=None, probe=None):
        return train(job, tmp_path / name, progress or Silent(), probe)

    return run


@pytest.fixture
def scripted_probe():
    """A probe that gives these validation losses in turn, and ten less as the loss on the evaluation sets."""

    def build(losses):
        values = iter(losses)

        def probe(model):
            value = next(values)
            cost = Cost(flops=5.0, tokens=2, seconds=0.5)
            return {"validation": {"loss": value, "items": 1}, "micro": {"loss": 10 - value}, "cost": cost}

        return probe

    return build


@pytest.fixture
def weights_of():
    return lambda job: {name: weight.detach().clone() for name, weight in job.model.named_parameters()}


@pytest.fixture
def same_bits():
    def compare(first, second):
        return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)

    return compare


@pytest.fixture
def without_seconds():
    """A cost or a record without its wall times, which differ from run to run."""

    def strip(tree):
        return {key: value for key, value in tree.items() if "seconds" not in key}

    return strip
