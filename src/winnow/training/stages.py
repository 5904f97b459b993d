"""The training stage: make objective, model, rows, plan and FLOPs ready, run the loop, leave weights and records."""

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from winnow import files
from winnow.budget import Allowance, VisitPlan, allowance
from winnow.errors import RecipeError
from winnow.kinds import KINDS
from winnow.ledger import SHARED
from winnow.models import loading
from winnow.models.attention_dropout import set_attention_dropout
from winnow.models.batch_sizes import start_tokens
from winnow.models.flops import FlopModel, flop_model
from winnow.models.generate import check_context
from winnow.parts import TrainPart
from winnow.records import Context, Cost, Outcome, Progress, Silent, Stored, nobody
from winnow.store import read_json, write_json
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of
from winnow.training import checkpoints
from winnow.training.branching import (
    BRANCHES,
    branch_off,
    branch_points,
    cooldown_of,
    kept_steps,
    until_cooled_down,
    without,
)
from winnow.training.courses import Reading, Sizes, course_of_run
from winnow.training.launching import together
from winnow.training.loop import CHECKPOINTS, Job, train
from winnow.training.objectives import registry
from winnow.training.objectives.goal import Goal, goal_of
from winnow.training.ranks import Ranks
from winnow.training.sharding import shard
from winnow.training.tally import JOURNAL, Tally

RECORDS = KINDS["train"].record.file


def train_model(part: TrainPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Train one model to the end of its budget, or with method `none` leave the start as it is.

    Inputs: `data` (a pool or a corpus, as the objective takes it), `tokenizer`; `start`, if training does not begin
    from scratch; `selection` for an arm that trains on a part of the pool; `sweep` where that chose the learning rate.
    Leaves `best/` and `last/` (a model or an adapter each) and the records. Where the part asks for several devices, as
    many processes train.
    """
    if part.architecture is not None:
        loading.check_architecture(part.architecture)
    if not (context.folder / RECORDS).is_file():  # else a kill came after the training, before the store's record
        if part.devices == 1 or part.training.method == "none":
            train_as(Ranks(), part, inputs, context, context.progress)
        else:
            silent = replace(context, progress=Silent())
            together(train_as, part.devices, part, dict(inputs), silent, progress=context.progress)
    return _leave(context.folder)


def train_as(ranks: Ranks, part: TrainPart, inputs: Mapping[str, Stored], context: Context, progress: Progress) -> None:
    """Train as one of the processes that do so together; the first one leaves weights and records in the folder."""
    if "sweep" in inputs:
        rate = {"learning_rate": inputs["sweep"].numbers["learning_rate"]}
        part = part.model_copy(update={"training": part.training.model_copy(update=rate)})
    torch.set_num_threads(part.training.threads)
    tokenizer = tokenizer_of(inputs["tokenizer"])
    if "data" in inputs:
        tokenizer.chat_template = left_template(inputs["data"].folder) or tokenizer.chat_template
    goal, model = goal_for(part, inputs), model_for(part, inputs, tokenizer)
    flops = flop_model(model)
    course = course_of_run(goal, part, inputs, tokenizer)
    check_context(model, int(course.lengths.max()))
    visit_flops = goal.visit_flops(flops, course)

    def reading(asked: TrainPart) -> Reading:
        return course.reading(
            None if part.training.method == "none" else allowance_of(asked, inputs, examples=course.examples),
            visit_flops, global_batch_size=part.global_batch_size,
        )  # fmt: skip

    read = reading(until_cooled_down(part))
    plan, whole, cooldown, before = read.plan, read.plan, None, Tally()
    if "trunk" in inputs:
        whole = reading(part).plan
        cooldown = cooldown_of(part, plan.steps, whole.steps)
        if ranks.is_first:
            latest = cooldown.begins(plan.steps)
            before = branch_off(inputs["trunk"], context.folder / CHECKPOINTS, latest=latest)
        ranks.wait()
    sizes = Sizes(
        part.global_batch_size, part.training.per_device_batch_size, part.training.packing, part.devices,
        start_tokens(next(model.parameters()).device),
    )  # fmt: skip
    batches = read.batches(sizes, whole)
    ends = [reading(part.model_copy(update={"budget": each.budget})).plan.steps for each in part.keep_for]
    kept = kept_steps(part, plan.steps) | branch_points(part, plan.steps, ends)
    if "start" in inputs and ranks.is_first:
        loading.write_start(context.folder, inputs["start"].artifact)
    base_name = inputs["start"].numbers.get("model") if "start" in inputs else None
    if part.training.sharding == "full" and ranks.size > 1:
        ranks = shard(ranks, model, part.training)

    def save(folder: Path) -> None:
        if part.training.method == "none" and loading.has_whole_model(inputs["start"]):
            files.link_tree(inputs["start"].folder / "last", folder)
            return
        left = ranks.saved(model) if part.leaves == "adapter" else loading.merged(ranks.saved(model))
        files.write(folder, lambda place: loading.save_model(left, place, tokenizer, base_name))

    evaluates = bool(part.every_steps) and (ranks.is_first or ranks.is_sharded)
    probe = context.make_probe(model) if context.make_probe and evaluates else None
    with context.follow() if ranks.is_first else nobody() as hear:
        job = Job(
            model, goal, batches, part.training, flops, part.seed, part.every_steps, part.best_by, save, ranks,
            cooldown, kept, hear,
        )  # fmt: skip
        tally, wasted = train(job, context.folder, progress, probe)
        if ranks.is_first:
            _write_records(part, context.folder, plan, flops, tally, wasted, before, read.record(whole))


def goal_for(part: TrainPart, inputs: Mapping[str, Stored]) -> Goal:
    """The objective with the models that look on. Raises RecipeError where the run has none of that role."""
    beside = registry.find(part.objective).beside
    if lacking := [role for role in beside if role not in inputs]:
        raise RecipeError(f"objective {part.objective} looks at a model {lacking[0]!r}, which this run does not have")
    models = {role: loading.load_model(inputs[role]).requires_grad_(False) for role in beside}
    if part.training.precision == "float64":
        models = {role: model.double() for role, model in models.items()}
    return goal_of(part.objective, part.objective_options, models)


def model_for(part: TrainPart, inputs: Mapping[str, Stored], tokenizer: Any) -> Any:
    """The model that a run trains, before its first step."""
    if "start" in inputs:
        bits = part.training.quantise
        model = loading.load_quantised(inputs["start"], bits) if bits else loading.load_model(inputs["start"])
    else:
        assert part.architecture is not None
        model = loading.build_model(
            part.architecture, seed=part.seed, vocab_size=len(tokenizer), eos_id=eos_id(tokenizer)
        ).to(loading.best_device())
    if part.training.method == "none":
        return model.requires_grad_(False)
    if part.training.attention_dropout is not None:
        set_attention_dropout(model, part.training.attention_dropout)
    loading.freeze(model, part.training.freeze)
    if part.training.method == "lora":
        model = loading.adapt(model, part.training.adapter, seed=part.seed)
    return model.double() if part.training.precision == "float64" else model


def allowance_of(part: TrainPart, inputs: Mapping[str, Stored], *, examples: int) -> Allowance:
    """What a run may use, in the unit that it counts; `examples` are those of a run without a selection.

    Raises BudgetError where the selection, or the mixture of plain text, alone costs more.
    """
    paid = inputs.get("selection") or inputs.get("mixture")
    return allowance(
        part.budget, pool_examples=inputs["data"].numbers["examples"] if "selection" in inputs else examples,
        flops_per_second=part.flops_per_second, dollars_per_hour=part.dollars_per_hour,
        spent_flops=paid.numbers["charged_flops"] if paid and part.charge_selection else 0.0,
    )  # fmt: skip


def _write_records(
    part: TrainPart, folder: Path, plan: VisitPlan, flops: FlopModel, tally: Tally, wasted: Cost, before: Tally,
    mixed: Mapping[str, Any] | None,
) -> None:  # fmt: skip
    """Write the records of a run, which say that its training is over.

    `before` is what the longer run has paid, `mixed` what a run that mixes sources has read of each.
    """
    if tally.kept_step is not None:
        checkpoints.check_best(folder / CHECKPOINTS, tally.kept_step)
    best = {"step": tally.best_step, "value": tally.best_value, "by": part.best_by} if tally.evaluations else None
    records = {
        "objective": part.objective, "training": part.training.model_dump(mode="json"), "seed": part.seed,
        "global_batch_size": part.global_batch_size, "mask": part.training.loss_on,
        "plan": dataclasses.asdict(plan),
        "parameters": {"total": flops.parameters, "trainable": flops.trainable_parameters},
        "checkpoint_bytes": sum(path.stat().st_size for path in folder.glob("last/*.safetensors")),
        "steps": tally.steps, "evaluations": tally.evaluations,
        "best": best, "last": {"step": tally.step, "visits": tally.visits},
        "costs": {"train": dataclasses.asdict(tally.spent), "evaluate": dataclasses.asdict(tally.evaluating)},
        "wasted": dataclasses.asdict(wasted), "peak_memory_bytes": tally.peak_memory_bytes or None,
    }  # fmt: skip
    if mixed is not None:
        records["mixture"] = mixed
    if before.step:
        paid = {"train": before.spent, "evaluate": before.evaluating}
        records["shared"] = {meter: dataclasses.asdict(cost) for meter, cost in paid.items()}
    write_json(folder / RECORDS, records)
    files.sync(folder)


def _leave(folder: Path) -> Outcome:
    """What the records say was done; the best weights put in their place, what only a resumed run needs removed.

    Rests on the folder alone, so that it can be done again after a kill in the middle of it.
    """
    records = read_json(folder / RECORDS)
    if records["best"]:
        checkpoints.take_best(folder / CHECKPOINTS, records["best"]["step"], folder / "best")
    files.remove(folder / CHECKPOINTS)
    files.remove(folder / JOURNAL)
    whole = {meter: Cost(**cost) for meter, cost in records["costs"].items()}
    shared = {meter: Cost(**cost) for meter, cost in records.get("shared", {}).items()}
    spent = {meter: without(cost, shared.get(meter, Cost())) for meter, cost in whole.items()}
    return Outcome(
        outputs=tuple(name for name in ("best", "last") if (folder / name).is_dir()),
        # Kept states hold timings, so they are logs: what a branch comes to rests on the inputs it shares with them.
        logs=(RECORDS, *(name for name in (loading.START, BRANCHES) if (folder / name).exists())),
        numbers={
            "steps": records["last"]["step"], "visits": records["last"]["visits"], "tokens": spent["train"].tokens,
            "parameters": records["parameters"]["total"], "trainable_parameters": records["parameters"]["trainable"],
            "best_step": records["best"]["step"] if records["best"] else 0,
            "loss": records["steps"][-1]["loss"] if records["steps"] else None,
        },
        costs=spent | ({SHARED: shared["train"]} if shared else {}),
        wasted=Cost(**records["wasted"]),
    )  # fmt: skip
