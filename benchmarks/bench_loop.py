"""The training loop: ours, with its accounting, against a bare loop over the same batches.

Prints bare CPU seconds / ours (1 is the limit), and ours with length-sorted micro-batches against a loop that pads
every batch to its longest row, in real tokens per CPU second.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.budget import Allowance, plan_visits  # noqa: E402
from winnow.models.flops import flop_model  # noqa: E402
from winnow.models.rows import rows_of  # noqa: E402
from winnow.recipe import TrainingRecipe  # noqa: E402
from winnow.records import Silent  # noqa: E402
from winnow.training.batches import EpochBatches  # noqa: E402
from winnow.training.loop import Job, train  # noqa: E402

ROUNDS, ROWS, GLOBAL_BATCH = 3, 640, 32


def make_model():
    torch.manual_seed(0)
    sizes = {"n_layer": 4, "n_embd": 128, "n_head": 4, "vocab_size": 1536, "n_positions": 512}
    return GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def make_batches(micro_batch_size):
    rng = np.random.default_rng(0)
    ids = [
        rng.integers(0, 1536, n).astype(np.int32) for n in np.clip(rng.lognormal(4.9, 0.5, ROWS), 20, 320).astype(int)
    ]
    rows = rows_of([str(i) for i in range(ROWS)], ids, np.array([len(row) // 2 for row in ids]))
    lengths = rows.lengths
    plan = plan_visits(
        lengths, lengths.astype(float), allowed=Allowance("visits", ROWS), global_batch_size=GLOBAL_BATCH, seed=0
    )
    return EpochBatches(rows, plan, global_batch_size=GLOBAL_BATCH, micro_batch_size=micro_batch_size, seed=0)


def ours(batches):
    model = make_model()
    recipe = TrainingRecipe(method="full", schedule="constant", learning_rate=1e-3)
    job = Job(model, batches, recipe, flop_model(model), 0, None, "validation", lambda name: None)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        train(job, Path(folder), Silent(), None)
        return time.process_time() - started


def bare(batches):
    """Dense head, no accounting, nothing kept."""
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    started = time.process_time()
    for step in range(batches.plan.steps):
        for batch in batches.micro_batches(step):
            labels = torch.where(batch.is_target, batch.ids, -100)
            model(input_ids=batch.ids, labels=labels, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.process_time() - started


def main():
    torch.set_num_threads(1)
    sorted_batches, whole_batches = make_batches(8), make_batches(GLOBAL_BATCH)
    against_bare, against_padded = [], []
    for _ in range(ROUNDS):
        mine = ours(sorted_batches)
        against_bare.append(bare(sorted_batches) / mine)
        against_padded.append(bare(whole_batches) / mine)
    print(f"loop: {statistics.median(against_bare):.2f} of a bare loop's speed on the same micro-batches")
    padded = statistics.median(against_padded)
    print(f"loop: {padded:.2f}x a bare loop that pads each batch of {GLOBAL_BATCH} to its longest row")


if __name__ == "__main__":
    main()
