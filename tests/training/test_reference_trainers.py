"""The loop against transformers' Trainer and TRL's SFTTrainer: the same examples in the same order, the same losses.

Where their semantics differ, the last tests show how; docs/reliability.md lists it.
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from datasets import Dataset
from toys import toy_model, toy_rows, toy_tokenizer
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

from winnow.budget import Allowance, plan_visits
from winnow.models.loading import adapt
from winnow.recipe import LoraRecipe
from winnow.training.schedule import learning_rate_at

pytestmark = pytest.mark.slow  # TRL alone takes seconds to import

STEPS, GLOBAL_BATCH = 20, 8
LORA = LoraRecipe(r=4, lora_alpha=8, lora_dropout=0.0)


def their_rows(job):
    """The job's examples in the order of its visits, the prompt masked; -100 is what both take for no target."""
    rows = job.batches.rows
    order = [row for step in range(job.batches.plan.steps) for b in job.batches.micro_batches(step) for row in b.rows]
    return Dataset.from_list([
        {"input_ids": rows.row(r).tolist(), "labels": [-100] * int(start) + rows.row(r)[start:].tolist()}
        for r, start in ((r, rows.target_from[r]) for r in order)
    ])  # fmt: skip


def their_options(recipe, folder, **more):
    """What a recipe says, in transformers' words."""
    return {
        "output_dir": str(folder), "learning_rate": recipe.learning_rate, "lr_scheduler_type": recipe.schedule,
        "weight_decay": recipe.weight_decay, "max_grad_norm": recipe.max_grad_norm, "num_train_epochs": 1,
        "per_device_train_batch_size": recipe.per_device_batch_size,
        "gradient_accumulation_steps": GLOBAL_BATCH // recipe.per_device_batch_size,
        "train_sampling_strategy": "sequential", "logging_steps": 1, "save_strategy": "no", "report_to": "none",
        "disable_tqdm": True, "use_cpu": True, "bf16": False,
    } | more  # fmt: skip


def by_transformers(model, job, folder, *, rows=None, **more):
    """The trainer, when it has trained."""
    arguments = TrainingArguments(**their_options(job.recipe, folder, **more))
    collator = DataCollatorForSeq2Seq(toy_tokenizer())
    trainer = Trainer(model=model, args=arguments, train_dataset=rows or their_rows(job), data_collator=collator)
    trainer.train()
    return trainer


def by_trl(model, job, folder, *, rows=None, **more):
    """The same; gradient checkpointing and bfloat16, which it turns on by itself, are off."""
    arguments = SFTConfig(**their_options(job.recipe, folder, gradient_checkpointing=False, **more))
    rows = rows or their_rows(job)
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=rows, processing_class=toy_tokenizer())
    trainer.train()
    return trainer


def logged(trainer, key="loss"):
    return [entry[key] for entry in trainer.state.log_history if key in entry]


@pytest.fixture
def twins(make_job):
    """A job, and a copy of its model as it starts."""

    def build(kind="gpt2", method="full", **options):
        model = toy_model(kind, spread=0.2)
        model = adapt(model, LORA, seed=0) if method == "lora" else model
        job = make_job(("visits", STEPS * GLOBAL_BATCH), global_batch=GLOBAL_BATCH, method=method, **options)
        return dataclasses.replace(job, model=model), copy.deepcopy(model)

    return build


@pytest.mark.parametrize("trainer", [by_transformers, by_trl])
@pytest.mark.parametrize("micro", [pytest.param(8, marks=pytest.mark.long), 2])
@pytest.mark.parametrize(("kind", "method"), [("gpt2", "full"), ("gpt2", "lora"), ("llama", "full")])
def test_losses_are_those_of_the_usual_trainers(twins, run_job, tmp_path, kind, method, micro, trainer):
    job, start = twins(kind=kind, method=method, micro=micro, weight_decay=0.1, learning_rate=3e-3)
    tally, _ = run_job(job)
    theirs = logged(trainer(start, job, tmp_path / "theirs"))
    assert len(theirs) == STEPS
    assert [point["loss"] for point in tally.steps] == pytest.approx(theirs, abs=1e-4)
    assert theirs[-1] < theirs[0] - 0.1


def losses_on_all(twins, run_job, folder, kind, trainer):
    """Ours and theirs with the loss on all tokens, and the share of theirs that can be predicted in the first batch."""
    rows = toy_rows(20)
    job, start = twins(kind, micro=8, rows=dataclasses.replace(rows, target_from=np.ones_like(rows.target_from)))
    tally, _ = run_job(job)
    theirs = trainer(start, job, folder, rows=their_rows(job).map(lambda row: {"labels": row["input_ids"]}))
    [first] = job.batches.micro_batches(0)
    return [point["loss"] for point in tally.steps], logged(theirs), 1 - GLOBAL_BATCH / first.real_tokens


@pytest.mark.parametrize("trainer", [by_transformers, by_trl])
def test_losses_on_all_tokens_are_those_of_the_usual_trainers(twins, run_job, tmp_path, trainer):
    ours, theirs, _ = losses_on_all(twins, run_job, tmp_path / "theirs", "llama", trainer)
    assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("trainer", [by_transformers, by_trl])
def test_they_count_the_first_tokens_of_gpt2(twins, run_job, tmp_path, trainer):
    """No loss type is known for GPT-2, so they divide by its first tokens as well, which nothing predicts."""
    ours, theirs, predicted = losses_on_all(twins, run_job, tmp_path / "theirs", "gpt2", trainer)
    assert predicted < 0.95 and theirs[0] == pytest.approx(ours[0] * predicted, abs=1e-4)


def test_their_warm_up_spends_its_first_step_at_a_rate_of_zero(twins, tmp_path):
    job, start = twins(micro=8)
    before = copy.deepcopy(start.state_dict())
    after = by_transformers(start, job, tmp_path, warmup_steps=10, max_steps=1).model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert learning_rate_at(0, STEPS, job.recipe.model_copy(update={"warmup_fraction": 0.5})) > 0


def test_their_last_batch_of_an_epoch_is_smaller(twins, tmp_path):
    """Three epochs of 20 examples in batches of 8: three steps an epoch, where ours go on over its end."""
    job, start = twins(micro=8)
    once = their_rows(job).select(range(20))
    theirs = by_transformers(start, job, tmp_path, rows=once, num_train_epochs=3).state.max_steps
    plan = plan_visits(
        job.batches.rows.lengths, np.ones(20), allowed=Allowance("visits", 60), global_batch_size=GLOBAL_BATCH, seed=0
    )
    assert (theirs, plan.steps) == (9, 8)


def test_trl_cuts_answers_and_drops_examples_in_silence(twins, tmp_path, caplog):
    job, start = twins(micro=8)
    rows = their_rows(job).select(range(20))
    kept = by_trl(start, job, tmp_path, rows=rows, max_length=6, max_steps=1).train_dataset
    assert 0 < len(kept) < 20 and max(map(len, kept["input_ids"])) == 6
    assert not caplog.records
