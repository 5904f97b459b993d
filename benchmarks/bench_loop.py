"""The training loop: ours, with its accounting, against bare loops that keep nothing and count nothing.

The fair peer does the same maths: head at target positions alone, torch's cross-entropy, clipping, fused AdamW, over
perfect batches (rows of one length, so no padding) whose tensors are made before the clock starts. The usual one has a
head at every position. Prints, in CPU time: ours over each of them in speed on perfect batches (0.95 of the fair one is
the limit); and on ragged rows, in micro-batches cut where padding is least, over a usual loop that pads every batch to
its longest row.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from torch.nn import functional  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.budget import Allowance, plan_visits  # noqa: E402
from winnow.models.batch_sizes import START_ON_CPU  # noqa: E402
from winnow.models.flops import flop_model  # noqa: E402
from winnow.models.rows import rows_of  # noqa: E402
from winnow.recipe import TrainingRecipe  # noqa: E402
from winnow.records import Silent  # noqa: E402
from winnow.training.batches import EpochBatches  # noqa: E402
from winnow.training.loop import Job, train  # noqa: E402
from winnow.training.objectives.goal import goal_of  # noqa: E402

ROUNDS, ROWS, GLOBAL_BATCH, MICRO_BATCH = 3, 320, 32, 8


def make_model():
    torch.manual_seed(0)
    sizes = {"n_layer": 4, "n_embd": 128, "n_head": 4, "vocab_size": 1536, "n_positions": 512}
    return GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def make_batches(lengths, micro_batch_size, start_tokens=None):
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, 1536, length).astype(np.int32) for length in lengths]
    rows = rows_of([str(i) for i in range(ROWS)], ids, np.array([len(row) // 2 for row in ids]))
    plan = plan_visits(
        rows.lengths, rows.lengths.astype(float), allowed=Allowance("visits", ROWS), global_batch_size=GLOBAL_BATCH,
        seed=0,
    )  # fmt: skip
    return EpochBatches(
        rows, plan, global_batch_size=GLOBAL_BATCH, micro_batch_size=micro_batch_size, seed=0, start_tokens=start_tokens
    )


def ours(batches):
    model = make_model()
    recipe = TrainingRecipe(method="full", schedule="constant", learning_rate=1e-3)
    job = Job(model, goal_of("sft"), batches, recipe, flop_model(model), 0, None, "validation", lambda name: None)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        train(job, Path(folder), Silent(), None)
        return time.process_time() - started


def targets_only(model, batch):
    targets = batch.is_target[:, 1:]
    hidden = model.transformer(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1][targets]
    return functional.cross_entropy(model.lm_head(hidden), batch.ids[:, 1:][targets], reduction="sum")


def every_position(model, batch):
    labels = torch.where(batch.is_target, batch.ids, -100)
    return model(input_ids=batch.ids, labels=labels, use_cache=False).loss * batch.is_target.sum()


def bare(batches, loss_of):
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    steps = [batches.micro_batches(step) for step in range(batches.plan.steps)]
    started = time.process_time()
    for micro_batches in steps:
        targets = sum(int(batch.is_target.sum()) for batch in micro_batches)
        for batch in micro_batches:
            (loss_of(model, batch) / targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.process_time() - started


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    ragged = np.clip(rng.lognormal(4.9, 0.5, ROWS), 20, 320).astype(int)
    perfect = make_batches(np.full(ROWS, round(ragged.mean())), MICRO_BATCH)
    by_length, whole = make_batches(ragged, GLOBAL_BATCH, START_ON_CPU), make_batches(ragged, GLOBAL_BATCH)
    fair, usual, padded = [], [], []
    for _ in range(ROUNDS):
        mine = ours(perfect)
        fair.append(bare(perfect, targets_only) / mine)
        usual.append(bare(perfect, every_position) / mine)
        padded.append(bare(whole, every_position) / ours(by_length))
    print(
        f"loop: {statistics.median(fair):.2f} of a bare loop's speed on perfect batches, head at targets on both sides"
    )
    print(f"loop: {statistics.median(usual):.2f}x a bare loop with a head at every position, on perfect batches")
    ratio = statistics.median(padded)
    print(f"loop: {ratio:.2f}x that loop where it pads each batch of {GLOBAL_BATCH} to its longest row, ragged rows")


if __name__ == "__main__":
    main()
