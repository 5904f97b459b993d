"""Training on the problems of gsm8k: ours against TRL's SFTTrainer and transformers' Trainer.

The same model, global batches of 40 examples, float32, no gradient checkpointing, loss on completions alone, AdamW,
one thread, all sides in turn in one process. Prints, for each size and method, ours over each peer in real tokens
(padding not counted) per CPU second, the median over rounds; the same in wall time; and how much each side pads.
Limits: at vocabularies of 32,000 and more 2.5x `sft` and 1.3x every peer; at small ones 1x every peer; 5 % padded.
`--sizes`, `--methods`, `--peers`, `--steps` and `--rounds` narrow it.

Ours comes as recipes have it: micro-batches cut where padding is least, the head at targets alone, a block of logits at
a time, GELU in one operation, no accuracy or entropy of logits on the way.

Peers: `sft` is SFTTrainer as it comes, 8 examples by 5 in random order, but for bfloat16 and gradient checkpointing,
which it turns on; the others set `train_sampling_strategy` to `group_by_length` or `batch_rebalance`, or
`padding_free`. Grouping by length takes its batches from all of gsm8k, since it needs much to choose from: a sample of
them, short ones and long ones alike.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import datasets  # noqa: E402  after the environment is set
import torch  # noqa: E402
from problems import GSM8K, MAX_TOKENS, SHARED, SMALL_VOCABULARY, small_tokenizer, token_rows  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    GPT2Config,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

from winnow.budget import Allowance, plan_visits  # noqa: E402
from winnow.models.activations import fuse_activations  # noqa: E402
from winnow.models.batch_sizes import START_ON_CPU  # noqa: E402
from winnow.models.flops import flop_model  # noqa: E402
from winnow.models.loading import adapt  # noqa: E402
from winnow.recipe import LoraRecipe, TrainingRecipe  # noqa: E402
from winnow.records import Silent  # noqa: E402
from winnow.text.tokenizers import load_tokenizer  # noqa: E402
from winnow.training.batches import EpochBatches  # noqa: E402
from winnow.training.loop import Job, train  # noqa: E402
from winnow.training.objectives.goal import goal_of  # noqa: E402

STORIES, GPT2_TOKENIZER = SHARED / "models" / "stories15M", SHARED / "models" / "gpt2-tokenizer"
GLOBAL_BATCH, MICRO_BATCH = 40, 8
RATE = 2e-4


@dataclass(frozen=True)
class Size:
    """A model to train: a GPT-2 shape with random weights, or a folder."""

    steps: int
    rounds: int
    shape: dict[str, int] | None = None
    vocabulary: int = SMALL_VOCABULARY


SIZES = {
    "0.3M": Size(2, 3, {"n_layer": 2, "n_embd": 80, "n_head": 4}),
    "3M": Size(1, 3, {"n_layer": 3, "n_embd": 256, "n_head": 4}),
    "15M": Size(1, 1),
    "30M": Size(1, 1, {"n_layer": 6, "n_embd": 384, "n_head": 6}, vocabulary=50257),
}
PEERS = ("sft", "sft grouped", "sft rebalanced", "sft unpadded", "trainer grouped", "trainer rebalanced")


def tokenizer_for(size):
    if size.shape is None:
        return load_tokenizer(STORIES)
    if size.vocabulary != SMALL_VOCABULARY:
        return load_tokenizer(GPT2_TOKENIZER)
    return small_tokenizer()


def build_model(size, method):
    torch.manual_seed(0)
    if size.shape is None:
        model = AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32)
    else:
        dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        config = GPT2Config(**size.shape, **dropout, vocab_size=size.vocabulary, n_positions=MAX_TOKENS)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    lora = LoraRecipe(target_modules="all-linear", lora_dropout=0.0)
    return adapt(model, lora, seed=0) if method == "lora" else model


def as_dataset(rows):
    labels = [[-100] * int(n) + rows.row(i)[n:].tolist() for i, n in enumerate(rows.target_from)]
    return datasets.Dataset.from_dict(
        {"input_ids": [rows.row(i).tolist() for i in range(len(labels))], "labels": labels}
    )


def grouped(rows, steps):
    """Batches as LengthGroupedSampler makes them of all rows: of each `steps`-th part by tokens the middle one."""
    generator = torch.Generator().manual_seed(0)
    order = list(LengthGroupedSampler(GLOBAL_BATCH, lengths=rows.lengths.tolist(), generator=generator))
    batches = np.array(order[: len(order) // GLOBAL_BATCH * GLOBAL_BATCH]).reshape(-1, GLOBAL_BATCH)
    by_tokens = batches[rows.lengths[batches].sum(axis=1).argsort()]
    middles = (np.arange(steps) + 0.5) / steps * len(batches)
    return rows.take(by_tokens[middles.astype(int)].ravel())


@dataclass
class Measured:
    """One side's run."""

    cpu_seconds: float
    wall_seconds: float
    tokens: int
    padded_tokens: int

    def speed(self, clock):
        """Real tokens per second of this clock."""
        return self.tokens / getattr(self, clock)


class Counting:
    """Counts the tokens that a trainer is fed."""

    tokens = padded_tokens = 0

    def training_step(self, model, inputs, *args, **kwargs):
        """Count, then train as it would."""
        ids = inputs["input_ids"]
        self.padded_tokens += ids.numel()
        self.tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else ids.numel()
        return super().training_step(model, inputs, *args, **kwargs)


class CountingTrainer(Counting, Trainer):
    """transformers'."""


class CountingSFTTrainer(Counting, SFTTrainer):
    """TRL's."""


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def ours(model, rows, method, micro):
    lengths = rows.lengths
    flops = flop_model(model)
    plan = plan_visits(
        lengths, flops.train(lengths), allowed=Allowance("visits", len(lengths)), global_batch_size=GLOBAL_BATCH, seed=0
    )
    batches = EpochBatches(
        rows, plan, global_batch_size=GLOBAL_BATCH, micro_batch_size=micro, seed=0, start_tokens=START_ON_CPU
    )
    recipe = TrainingRecipe(method=method, learning_rate=RATE)
    job = Job(model, goal_of("sft"), batches, recipe, flops, 0, None, "validation", lambda name: None)
    with tempfile.TemporaryDirectory() as folder:
        tallies = []
        seconds = timed(lambda: tallies.append(train(job, Path(folder), Silent(), None)[0]))
    return Measured(*seconds, tallies[0].spent.tokens, tallies[0].spent.padded_tokens)


def peer(name, model, rows, tokenizer, micro):
    kind, _, way = name.partition(" ")
    strategy = {"": "random", "grouped": "sequential", "rebalanced": "batch_rebalance", "unpadded": "random"}[way]
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "output_dir": folder, "per_device_train_batch_size": micro, "learning_rate": RATE,
            "gradient_accumulation_steps": GLOBAL_BATCH // micro, "num_train_epochs": 1, "bf16": False,
            "use_cpu": True, "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
            "train_sampling_strategy": strategy,
        }  # fmt: skip
        given = {"model": model, "train_dataset": as_dataset(rows), "processing_class": tokenizer}
        if kind == "sft":
            unpadded = {"padding_free": way == "unpadded", "max_length": None}
            trainer = CountingSFTTrainer(args=SFTConfig(**options, **unpadded, gradient_checkpointing=False), **given)
        else:
            collator = DataCollatorForSeq2Seq(tokenizer)
            trainer = CountingTrainer(args=TrainingArguments(**options), data_collator=collator, **given)
        trainer.remove_callback(PrinterCallback)
        seconds = timed(trainer.train)
    return Measured(*seconds, trainer.tokens, trainer.padded_tokens)


def run_side(side, size, method, rows, tokenizer, asked):
    steps = asked.steps or size.steps
    chosen = grouped(rows, steps) if side.endswith("grouped") else rows.take(range(steps * GLOBAL_BATCH))
    model = build_model(size, method)
    if side == "ours":
        return ours(fuse_activations(model), chosen, method, asked.micro_batch)
    return peer(side, model, chosen, tokenizer, asked.micro_batch)


def cell(name, method, asked):
    """All sides in turn, again and again; prints a line for each."""
    size = SIZES[name]
    tokenizer = tokenizer_for(size)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    rows, sides = token_rows(tokenizer), ("ours", *asked.peers)
    runs = {side: [] for side in sides}
    rounds = asked.rounds or size.rounds
    for _ in range(rounds):
        for side in sides:
            runs[side].append(run_side(side, size, method, rows, tokenizer, asked))
    parameters = sum(weight.numel() for weight in build_model(size, "full").parameters())
    print(
        f"{name} {method}: {parameters:,} parameters, vocabulary {len(tokenizer):,}, micro-batches of "
        f"{asked.micro_batch}, rounds {rounds}; ours over:"
    )
    for side in sides:
        print(f"  {line(side, runs['ours'], runs[side])}", flush=True)


def line(side, mine, theirs):
    padded = theirs[-1].padded_tokens / theirs[-1].tokens - 1
    if side == "ours":
        return f"{theirs[-1].tokens:,} tokens, {padded:.1%} padded"
    cpu, wall = (
        statistics.median(a.speed(clock) / b.speed(clock) for a, b in zip(mine, theirs, strict=True))
        for clock in ("cpu_seconds", "wall_seconds")
    )
    return f"{cpu:.2f}x {side} ({wall:.2f}x in wall time), which padded {padded:.1%}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--methods", nargs="+", choices=("lora", "full"), default=["lora", "full"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, help="each size has its own number")
    parser.add_argument("--micro-batch", type=int, default=MICRO_BATCH, help="examples, on all sides")
    parser.add_argument("--steps", type=int, help="steps of a run; each size has its own number")
    return parser.parse_args()


def main():
    for needed in (GSM8K, STORIES, GPT2_TOKENIZER):
        if not needed.exists():
            print(f"trainers: left out, {needed} is not there")
            return
    torch.set_num_threads(1)
    asked = arguments()
    for name in asked.sizes:
        for method in asked.methods:
            cell(name, method, asked)


if __name__ == "__main__":
    main()
