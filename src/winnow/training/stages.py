"""The training stage: make model, rows, plan and FLOPs ready, run the loop, leave weights and records."""

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from winnow.budget import VisitPlan, allowance, plan_visits
from winnow.models import loading
from winnow.models.flops import FlopModel, flop_model
from winnow.models.generate import check_context
from winnow.models.rows import TokenRows, packed_rows, sft_rows
from winnow.parts import TrainPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.tokenizers import encode_texts, eos_id, tokenizer_of
from winnow.training.batches import EpochBatches
from winnow.training.loop import Job, train
from winnow.training.tally import Tally

RECORDS = "training_records.json"


def train_model(part: TrainPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Train one model to the end of its budget.

    Inputs: `data` (a pool, or a corpus for pretraining), `tokenizer`; for fine-tuning `start`, and `selection` for an
    arm that trains on a part of the pool. Leaves `best/` and `last/` (a model or an adapter each) and the records.
    """
    torch.set_num_threads(part.training.threads)
    tokenizer = tokenizer_of(inputs["tokenizer"])
    model = _model(part, inputs, tokenizer)
    rows = _rows(part, inputs, tokenizer)
    check_context(model, int(rows.lengths.max()))
    flops = flop_model(model)
    plan = _plan(part, inputs, rows, flops)
    batches = EpochBatches(
        rows, plan, global_batch_size=part.global_batch_size,
        micro_batch_size=part.training.per_device_batch_size, seed=part.seed,
    )  # fmt: skip
    if "start" in inputs:
        loading.write_start(context.folder, inputs["start"].artifact)
    base_name = inputs["start"].numbers.get("model") if "start" in inputs else None

    is_arm = "selection" in inputs

    def save(name: str) -> None:
        partial = context.folder / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        # What others start from is a whole model; an arm leaves its adapter.
        loading.save_model(model if is_arm else loading.merged(model), partial, tokenizer, base_name)
        shutil.rmtree(context.folder / name, ignore_errors=True)
        partial.rename(context.folder / name)

    probe = context.make_probe(model) if context.make_probe and part.every_steps else None
    job = Job(model, batches, part.training, flops, part.seed, part.every_steps, part.best_by, save)
    tally, wasted = train(job, context.folder, context.progress, probe)
    return _leave(part, context, plan, flops, tally, wasted)


def _model(part: TrainPart, inputs: Mapping[str, Stored], tokenizer: Any) -> Any:
    if "start" in inputs:
        model = loading.load_model(inputs["start"])
    else:
        assert part.architecture is not None
        loading.check_architecture(part.architecture)
        model = loading.build_model(
            part.architecture, seed=part.seed, vocab_size=len(tokenizer), eos_id=eos_id(tokenizer)
        ).to(loading.best_device())
    loading.freeze(model, part.training.freeze)
    if part.training.method == "lora":
        model = loading.adapt(model, part.training.lora, seed=part.seed)
    return model.double() if part.training.precision == "float64" else model


def _rows(part: TrainPart, inputs: Mapping[str, Stored], tokenizer: Any) -> TokenRows:
    data = inputs["data"].folder
    if part.objective == "pretraining":
        assert part.context_tokens is not None
        texts = pq.read_table(data / "documents.parquet")["text"].to_pylist()
        encoded = encode_texts(tokenizer, texts)
        return packed_rows(encoded, context_tokens=part.context_tokens, eos_id=eos_id(tokenizer))
    table = pq.read_table(data / "train.parquet")
    if "selection" in inputs:
        return _selected_rows(part, inputs, table)
    if part.sources is not None:
        table = table.filter([source in part.sources for source in table["source"].to_pylist()])
    return sft_rows(table, loss_on=part.training.loss_on)


def _selected_rows(part: TrainPart, inputs: Mapping[str, Stored], pool: pa.Table) -> TokenRows:
    """The chosen rows of the pool, and of its target sample where a control adds that; with weights if there are any.

    In the pool's order, not by rank: two selections of the same rows train to the same bits.
    """
    selection = pq.read_table(inputs["selection"].folder / "selection.parquet")
    names = selection["id"].to_pylist()
    weights = selection["weight"].to_pylist() if "weight" in selection.column_names else None
    if not set(names) <= set(pool["id"].to_pylist()):
        pool = pa.concat_tables([pool, pq.read_table(inputs["data"].folder / "target.parquet")])
    chosen = dict(zip(names, weights or [1.0] * len(names), strict=True))
    rows = sft_rows(pool.filter(pc.is_in(pool["id"], pa.array(names))), loss_on=part.training.loss_on)
    return replace(rows, weights=np.array([chosen[name] for name in rows.names])) if weights else rows


def _plan(part: TrainPart, inputs: Mapping[str, Stored], rows: TokenRows, flops: FlopModel) -> VisitPlan:
    is_arm = "selection" in inputs
    charged = inputs["selection"].numbers["charged_flops"] if is_arm and part.charge_selection else 0.0
    allowed = allowance(
        part.budget, pool_examples=inputs["data"].numbers["examples"] if is_arm else len(rows.names),
        flops_per_second=part.flops_per_second, dollars_per_hour=part.dollars_per_hour, spent_flops=charged,
    )  # fmt: skip
    return plan_visits(
        rows.lengths, flops.train(rows.lengths), allowed=allowed,
        global_batch_size=part.global_batch_size, seed=part.seed,
    )  # fmt: skip


def _leave(part: TrainPart, context: Context, plan: VisitPlan, flops: FlopModel, tally: Tally, wasted: Cost) -> Outcome:
    """Write the records, remove what only a resumed run needs."""
    best = {"step": tally.best_step, "value": tally.best_value, "by": part.best_by} if tally.evaluations else None
    weights = next(context.folder.glob("last/*.safetensors"))
    records = {
        "objective": part.objective, "training": part.training.model_dump(mode="json"), "seed": part.seed,
        "global_batch_size": part.global_batch_size, "mask": part.training.loss_on,
        "plan": dataclasses.asdict(plan),
        "parameters": {"total": flops.parameters, "trainable": flops.trainable_parameters},
        "checkpoint_bytes": weights.stat().st_size,
        "steps": tally.steps, "evaluations": tally.evaluations, "best": best, "last": {"step": tally.step},
        "costs": {"train": dataclasses.asdict(tally.spent), "evaluate": dataclasses.asdict(tally.evaluating)},
        "wasted": dataclasses.asdict(wasted),
    }  # fmt: skip
    write_json(context.folder / RECORDS, records)
    shutil.rmtree(context.folder / "checkpoints")
    for name in ("spent.jsonl", "wasted.json"):
        (context.folder / name).unlink(missing_ok=True)
    kept = [name for name in ("best", "last") if (context.folder / name).is_dir()]
    return Outcome(
        outputs=tuple(kept),
        logs=(RECORDS, *(name for name in (loading.START,) if (context.folder / name).is_file())),
        numbers={
            "steps": tally.step, "visits": plan.visits, "tokens": tally.spent.tokens,
            "parameters": flops.parameters, "trainable_parameters": flops.trainable_parameters,
            "best_step": tally.best_step, "loss": tally.steps[-1]["loss"],
        },
        costs={"train": tally.spent, "evaluate": tally.evaluating},
        wasted=wasted,
    )  # fmt: skip
