"""Hidden states of a pool: how little is padded, and the stage's speed against the model's bare forward pass.

Prints padded tokens over real tokens for the problems of gsm8k (where ../shared/data has them) at the recipe's default
batches, and the CPU seconds of bare forward passes of the base model (no head) over the same batches over those of the
whole stage: reading the pool, padding, pooling, shard files, whitening, the final array.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import pyarrow as pa  # noqa: E402  after the environment is set
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.models import loading  # noqa: E402
from winnow.models.rows import pad  # noqa: E402
from winnow.parts import RepresentPart  # noqa: E402
from winnow.pool.loading import load_examples  # noqa: E402
from winnow.recipe import HiddenStatesRecipe, SourceRecipe, TokenizerRecipe  # noqa: E402
from winnow.records import Artifact, Context, Cost, Stored  # noqa: E402
from winnow.selection.proxy import Proxy, Tokens, fixed_batches, joined_rows  # noqa: E402
from winnow.selection.represent import represent  # noqa: E402
from winnow.text.tokenizers import encode_examples, train_tokenizer  # noqa: E402

ROUNDS, ROWS = 3, 2048
GSM8K = Path(__file__).parents[2] / "shared" / "data" / "gsm8k" / "train.jsonl.gz"
RECIPE = HiddenStatesRecipe()


def make_model():
    torch.manual_seed(0)
    sizes = {"n_layer": 4, "n_embd": 128, "n_head": 4, "vocab_size": 1536, "n_positions": 512}
    return GPT2LMHeadModel(GPT2Config(**sizes)).eval()


def random_pool():
    """Rows with lengths like those of word problems."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(4.9, 0.5, ROWS), 20, 320).astype(int)
    return [(rng.integers(0, 1536, n // 2).tolist(), rng.integers(0, 1536, n - n // 2).tolist()) for n in lengths]


def gsm8k_lengths():
    """Tokens of each problem, in the order of ids."""
    source = SourceRecipe(name="gsm8k", path=str(GSM8K), format="gsm8k", licence="MIT")
    examples = load_examples(source, {}).examples
    texts = [each.prompt for each in examples], [each.completion for each in examples]
    tokenizer = train_tokenizer([a + b for a, b in zip(*texts, strict=True)], TokenizerRecipe(vocab_size=1536), 512)
    encoded = encode_examples(tokenizer, *texts, max_tokens=512)
    return np.array([len(each.prompt_ids) + len(each.completion_ids) for each in encoded])


def padded_share(lengths):
    """Padding over real tokens in the stage's batches, shard by shard."""
    padded = 0
    for start in range(0, len(lengths), RECIPE.shard_size):
        shard = lengths[start : start + RECIPE.shard_size]
        padded += sum(len(batch) * shard[batch].max() for batch in fixed_batches(shard, RECIPE.batch_size))
    return padded / lengths.sum() - 1


def write_pool(folder, rows):
    ids = [f"row{i:07d}" for i in range(len(rows))]
    columns = {"id": ids, "prompt_ids": [p for p, _ in rows], "completion_ids": [c for _, c in rows]}
    pq.write_table(pa.table(columns), folder / "train.parquet")


def ours(model, rows):
    """The stage on its own, and its cost."""
    loading.load_model = lambda stored: model
    with tempfile.TemporaryDirectory() as name:
        pool, folder = Path(name) / "pool", Path(name) / "features"
        pool.mkdir(), folder.mkdir()
        write_pool(pool, rows)
        stored = Stored(Artifact("pool", "pool", "f", "d", {}, {}, Cost(), {}, {}), pool)
        started = time.process_time()
        outcome = represent(RepresentPart(representation=RECIPE), {"pool": stored, "model": stored}, Context(folder))
        return time.process_time() - started, outcome.costs["represent"]


@torch.no_grad()
def bare(model, rows):
    """The same batches, made ready before the clock starts."""
    joined = joined_rows([""] * len(rows), Tokens([p for p, _ in rows], [c for _, c in rows]))
    proxy = Proxy(model, RECIPE.batch_size)
    batches = [pad(joined, members).ids for members in fixed_batches(joined.lengths, proxy.batch_size)]
    started = time.process_time()
    for ids in batches:
        model.base_model(input_ids=ids, use_cache=False)
    return time.process_time() - started


def main():
    torch.set_num_threads(1)
    model, rows = make_model(), random_pool()
    ratios = []
    for _ in range(ROUNDS):
        mine, cost = ours(model, rows)
        ratios.append(bare(model, rows) / mine)
    print(f"features: {statistics.median(ratios):.2f} of the speed of bare forward passes over the same batches")
    print(f"features: {cost.padded_tokens / cost.tokens - 1:.1%} padded at random lengths, {ROWS} rows")
    if GSM8K.is_file():
        print(f"features: {padded_share(gsm8k_lengths()):.1%} padded on gsm8k, batches of {RECIPE.batch_size}")


if __name__ == "__main__":
    main()
