"""GPT-2 124M with LoRA on one GPU, as recipes/gsm-gpt2-rff.yaml asks for it: how fast, and of what the GPU could.

`python benchmarks/gpu_training.py` needs CUDA, no network and less than ten minutes. Random weights, rows as long as
gsm8k's (quantiles in gsm8k_lengths.json, which `--write-lengths` makes), 40 of them to a step and then as many as make
64,000 tokens; padded and packed, compiled or not. Prints for each real tokens per second, reference and executed FLOPs
per second over the GPU's peak in bfloat16 (its data sheet's, or `--peak`), the share of the time in which it computed
anything at all, and the hours that the full arm of that recipe would take, 30 visits of each of its examples. Goals:
25 % of the peak at 40 rows, 40 % at 64,000 tokens.

`--count` runs anywhere: FLOPs of one step, operations, and the bytes that they read and write if none is fused.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from problems import SHARED, token_rows  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from winnow.budget import Allowance, plan_visits  # noqa: E402
from winnow.models import loading  # noqa: E402
from winnow.models.contentless import contentless  # noqa: E402
from winnow.models.flops import flop_model  # noqa: E402
from winnow.models.forward import Losses  # noqa: E402
from winnow.models.rows import rows_of  # noqa: E402
from winnow.recipe import LoraRecipe, TrainingRecipe  # noqa: E402
from winnow.records import Silent  # noqa: E402
from winnow.text.tokenizers import load_tokenizer  # noqa: E402
from winnow.training.batches import EpochBatches  # noqa: E402
from winnow.training.loop import Job, train  # noqa: E402
from winnow.training.objectives.goal import goal_of  # noqa: E402
from winnow.training.peak_memory import LiveBytes  # noqa: E402

LENGTHS = Path(__file__).parent / "gsm8k_lengths.json"
ARCHITECTURE = {"model_type": "gpt2"}
VOCABULARY = 50257
LORA = LoraRecipe(r=8, lora_alpha=16, lora_dropout=0.05, target_modules=("c_attn", "c_proj"))
BATCH, LARGE_BATCH_TOKENS = 40, 64_000
EXAMPLES, EPOCHS = 497_800, 30
"""The full arm's, as the recipe declares them."""
WARM_UP, MEASURED, PROFILED = 6, 20, 4
"""Steps; compiling falls into the first."""
PEAKS = {
    "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 5090": 209.5e12, "RTX 4090": 165.2e12,
}  # fmt: skip
"""Dense bfloat16 FLOPs per second, from NVIDIA's data sheets."""
aten = torch.ops.aten
MOVE_NOTHING = aten._unsafe_view.default, aten.empty_like.default, aten.empty.memory_format, aten.new_empty.default


def write_lengths():
    """The quantiles of gsm8k's lengths in GPT-2's tokens, and the share of them that are the answer's."""
    rows = token_rows(load_tokenizer(SHARED / "models" / "gpt2-tokenizer"))
    quantiles = np.quantile(rows.lengths, np.linspace(0, 1, 101)).round().astype(int).tolist()
    share = float((rows.lengths - rows.target_from).sum() / rows.lengths.sum())
    LENGTHS.write_text(json.dumps({"quantiles": quantiles, "targets_share": round(share, 4)}) + "\n")


def made_rows(count):
    """Random tokens, as long as the problems of gsm8k."""
    known, rng = json.loads(LENGTHS.read_text()), np.random.default_rng(0)
    lengths = np.interp(rng.random(count), np.linspace(0, 1, 101), known["quantiles"]).round().astype(int)
    ids = [rng.integers(0, VOCABULARY, length).astype(np.int32) for length in lengths]
    return rows_of([str(i) for i in range(count)], ids, (lengths * (1 - known["targets_share"])).round().astype(int))


def made_batches(rows_a_step, steps, *, packing):
    rows = made_rows(rows_a_step * steps)
    plan = plan_visits(
        rows.lengths, rows.lengths.astype(float), allowed=Allowance("visits", len(rows.names)),
        global_batch_size=rows_a_step, seed=0,
    )  # fmt: skip
    return EpochBatches(
        rows, plan, global_batch_size=rows_a_step, micro_batch_size=rows_a_step, seed=0, packing=packing
    )


def recipe_of(**options):
    return TrainingRecipe(method="lora", lora=LORA, learning_rate=2e-4, precision="bfloat16", **options)


def steps_of(batches, recipe, architecture=ARCHITECTURE):
    """What a run recorded after each of its steps; counts and seconds add up."""
    model = loading.build_model(architecture, seed=0, vocab_size=VOCABULARY, eos_id=0).to(loading.best_device())
    model = loading.adapt(model, LORA, seed=0)
    job = Job(model, goal_of("sft"), batches, recipe, flop_model(model), 0, None, "validation", lambda folder: None)
    with tempfile.TemporaryDirectory() as folder:
        return train(job, Path(folder), Silent(), None)[0].steps


def rates(steps):
    """Tokens, reference and executed FLOPs per second after the warm-up."""
    first, last = steps[WARM_UP - 1], steps[-1]
    seconds = last["seconds"] - first["seconds"]
    return {name: (last[name] - first[name]) / seconds for name in ("tokens", "flops", "executed_flops")}


def busy_share(rows_a_step, options):
    """Share of the steps' seconds in which the GPU computed; of compiled steps the same, after a warm-up."""
    batches = made_batches(rows_a_step, WARM_UP + PROFILED, packing=options.get("packing", False))
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        steps = steps_of(batches, recipe_of(**options))
    computing = sum(event.self_device_time_total for event in watched.key_averages()) / 1e6
    return min(1.0, computing / steps[-1]["seconds"])


def measure(rows_a_step, options, peak):
    batches = made_batches(rows_a_step, WARM_UP + MEASURED, packing=options.get("packing", False))
    found = rates(steps_of(batches, recipe_of(**options)))
    tokens_a_visit = batches.rows.lengths.mean()
    hours = EXAMPLES * EPOCHS * tokens_a_visit / found["tokens"] / 3600
    print(
        f"gpu: {rows_a_step} rows a step, {' and '.join(options) or 'padded'}: {found['tokens']:,.0f} tokens/s; of the "
        f"peak {found['flops'] / peak:.1%} in reference FLOPs, {found['executed_flops'] / peak:.1%} executed; "
        f"computing {busy_share(rows_a_step, options):.0%} of the time; full arm {hours:,.1f} hours",
        flush=True,
    )


class Traffic(LiveBytes):
    """Adds up the bytes that operations read and write; a comparison of tensors comes out true."""

    moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Runs one operation."""
        if func is aten.allclose.default:
            return True
        made = super().__torch_dispatch__(func, types, args, kwargs)
        is_view = any(returned.alias_info and not returned.alias_info.is_write for returned in func._schema.returns)
        if func.namespace == "aten" and not is_view and func not in MOVE_NOTHING:
            tensors = [each for each in tree_leaves((args, kwargs, made)) if isinstance(each, torch.Tensor)]
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return made


def count(rows_a_step, *, packing):
    """One step on tensors without contents: what it would compute, start, and move."""
    [batch] = made_batches(rows_a_step, 1, packing=packing).micro_batches(0)
    traffic = Traffic(int(batch.is_target.sum()))
    # Without dropout of attention, for which torch's CPU kernels would write all of its squares out.
    model = loading.adapt(loading.skeleton(ARCHITECTURE | {"attn_pdrop": 0.0}), LORA, seed=0)
    costs = flop_model(model)
    with contentless(traffic):
        model.to_empty(device="cpu").get_base_model().tie_weights()
        losses = Losses(model.train(), autocast=torch.bfloat16)
        traffic.moved = 0
        traffic.operations.clear()
        losses.scaled_sum(batch.to(torch.device("cpu")), 1.0).backward()
    rows, length = batch.ids.shape
    targets, lengths = int(batch.is_target[:, 1:].sum()), np.array([batch.real_tokens / rows_a_step])
    executed = costs.executed(rows=rows, padded_length=length, heads=targets, is_rerun=False)
    print(
        f"counted: {rows_a_step} rows a step, {'packed' if packing else 'padded'} to {rows} x {length}, "
        f"{batch.real_tokens:,} tokens, {targets:,} targets: {rows_a_step * float(costs.train(lengths)[0]) / 1e12:.2f} "
        f"reference TFLOPs, {executed / 1e12:.2f} executed; {traffic.operations.total():,} operations that move "
        f"{traffic.moved / 1e9:.1f} GB"
    )


def peak_of(asked):
    """The GPU's FLOPs per second. Ends the program where there is no GPU, or one whose data sheet is not known here."""
    if not torch.cuda.is_available():
        sys.exit("gpu_training.py needs a GPU with CUDA, and torch sees none; --count runs without")
    name = torch.cuda.get_device_name()
    known = next((peak for part, peak in PEAKS.items() if part in name), None)
    if asked is None and known is None:
        sys.exit(f"gpu_training.py does not know the peak of {name}; give it: --peak FLOPS_PER_SECOND (dense bfloat16)")
    print(f"gpu: {name}, torch {torch.__version__}, peak {(asked or known) / 1e12:,.0f} TFLOPs per second")
    return asked or known


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak", type=float, metavar="FLOPS_PER_SECOND", help="of the GPU, dense bfloat16")
    parser.add_argument("--count", action="store_true", help="count one step; needs no GPU")
    parser.add_argument("--write-lengths", action="store_true", help=f"make {LENGTHS.name} from ../shared/data")
    asked = parser.parse_args()
    large = round(LARGE_BATCH_TOKENS / made_rows(1000).lengths.mean()) if LENGTHS.is_file() else 0
    if asked.write_lengths:
        write_lengths()
    elif asked.count:
        for rows_a_step in (BATCH, large):
            count(rows_a_step, packing=False)
            count(rows_a_step, packing=True)
    else:
        peak = peak_of(asked.peak)
        for rows_a_step in (BATCH, large):
            for options in ({}, {"packing": True}, {"compile": True}, {"packing": True, "compile": True}):
                measure(rows_a_step, options, peak)


if __name__ == "__main__":
    main()
