"""Herding at scale: what it costs beside one pass over its features, and how well its choice matches the pool.

Prints, for 10 % of a million rows of 1,024 features (`--examples N` for fewer): CPU time over that of one
matrix-vector product with the same features (40 is the limit), peak memory (6 GB), and the maximum mean discrepancy
over random's in closed form (5 %; 10 % at a tenth of the rows). Then CPU time for pools of a hundredth and a tenth
over that for all of it: with `candidates: stochastic` it grows as the pool does, `auto` spends more on small pools.
Then, where ../shared lies beside the checkout, the discrepancy on a real pool, in features that herding
did not see (60 % at 5 % of the rows). `--real` does that alone.
"""

import argparse
import gzip
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from winnow.selection.choose import choose  # noqa: E402
from winnow.selection.features import (  # noqa: E402
    expected_squared_mmd_of_random,
    fit_fourier_features,
    fit_whitening,
    fresh_mmd_ratio,
    squared_mmd,
)
from winnow.selection.hidden_states import pool_states  # noqa: E402
from winnow.selection.views import PoolView, Seen  # noqa: E402

EXAMPLES, DIMENSIONS, FEATURES, FRACTION, ROUNDS = 1_000_000, 64, 1024, 0.1, 3
SHARED = Path(__file__).parents[2] / "shared"
MODEL = SHARED / "models" / "stories260K"
REAL = {
    "gsm8k/train": ("question", "answer"),
    "mathqa/dev": ("Problem", "Rationale"),
    "mathqa/train_gain_subset": ("Input", "Output Program"),
    "flan_cot/aqua_train": ("question", "rationale"),
    "mawps/subset": ("original_text", "equation"),
    "svamp/all": ("Body", "Question", "Equation"),
    "noncommercial/asdiv/subset": ("Body", "Question", "Formula"),
}
REAL_FRACTIONS = (0.01, 0.05, 0.1)
BATCH, CONTEXT = 64, 128


def made_features(examples):
    """Features of points around 200 centres, [examples, FEATURES]."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((200, DIMENSIONS), dtype=np.float32)
    points = rng.standard_normal((examples, DIMENSIONS), dtype=np.float32)
    points += centres[rng.integers(0, len(centres), examples)]
    return fit_fourier_features(points, features=FEATURES, seed=0).apply(points)


def made_pool(examples):
    ids = [f"{row:08d}" for row in range(examples)]
    return PoolView(ids, np.full(examples, "made"), np.full(examples, 100))


def cpu_seconds(work):
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def herd(features, pool, size, **options):
    return choose("herding", pool, size=size, seen=Seen(features=features), options=options).rows


def relative_mmd(features, chosen):
    """The maximum mean discrepancy (the root) over the root of random's expected square."""
    return (squared_mmd(features, chosen) / expected_squared_mmd_of_random(features, len(chosen))) ** 0.5


def bench_speed(features, pool):
    vector = np.ones(FEATURES, dtype=np.float32)
    size, ratios, chosen = int(FRACTION * len(pool)), [], None
    for _ in range(ROUNDS):
        one_pass = statistics.median(cpu_seconds(lambda: features @ vector)[0] for _ in range(3))
        seconds, chosen = cpu_seconds(lambda: herd(features, pool, size))
        ratios.append(seconds / one_pass)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"herding {size:,} of {len(pool):,}: {statistics.median(ratios):.1f} matrix-vector passes of CPU time")
    print(f"herding: {peak:.1f} GB of memory at its peak, {features.nbytes / 1e9:.1f} GB of them features")
    for part in (size // 10, size):
        print(f"herding: MMD of the first {part:,} {100 * relative_mmd(features, chosen[:part]):.1f} % of random's")


def bench_growth(features, pool):
    """Pools of several sizes in turn, so that a slow moment of the machine meets them all."""
    sizes = [len(pool) // 100, len(pool) // 10, len(pool)]
    parts = {examples: pool.take(np.arange(examples)) for examples in sizes}
    for candidates in ("stochastic", "auto"):
        taken = {examples: [] for examples in sizes}
        for _ in range(ROUNDS):
            for examples in sizes:
                seconds, _ = cpu_seconds(
                    lambda n=examples, how=candidates: herd(features[:n], parts[n], int(FRACTION * n), candidates=how)
                )
                taken[examples].append(seconds)
        medians = [statistics.median(taken[examples]) for examples in sizes]
        told = ", ".join(
            f"{examples:,}: {median / medians[-1]:.3f}" for examples, median in zip(sizes, medians, strict=True)
        )
        print(f"herding ({candidates}): CPU time over that of the largest pool: {told}")


def real_texts(limit):
    """Id -> text of the first `limit` rows of each source, sorted by id."""
    texts = {}
    for name, fields in REAL.items():
        with gzip.open(SHARED / "data" / f"{name}.jsonl.gz", "rt") as file:
            for number, line in zip(range(limit), file, strict=False):
                row = json.loads(line)
                texts[f"{name}/{number:05d}"] = "\n".join(str(row[field]) for field in fields)
    return dict(sorted(texts.items()))


@torch.no_grad()
def real_vectors(texts):
    """Hidden states of a small language model, position-weighted means, whitened to 32 dimensions."""
    tokenizer, model = AutoTokenizer.from_pretrained(MODEL), AutoModelForCausalLM.from_pretrained(MODEL).float().eval()
    rows = [ids[:CONTEXT] for ids in tokenizer(texts)["input_ids"]]
    order = np.argsort([len(row) for row in rows], kind="stable")
    states = np.empty((len(rows), model.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        lengths = torch.tensor([len(rows[row]) for row in batch])
        ids = torch.tensor([rows[row] + [0] * (int(lengths.max()) - len(rows[row])) for row in batch])
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        states[batch] = pool_states(hidden, lengths, "weighted_mean").numpy()
    return fit_whitening(states, 32).apply(states)


def real_mmd(limit=100_000):
    """Fraction -> the herded set's MMD over random's, in fresh features, for a pool of real problems; and its size."""
    texts = real_texts(limit)
    vectors = real_vectors(list(texts.values()))
    features = fit_fourier_features(vectors, features=FEATURES, seed=0).apply(vectors)
    pool = PoolView(list(texts), np.full(len(texts), "real"), np.full(len(texts), 100))
    chosen = herd(features, pool, int(max(REAL_FRACTIONS) * len(texts)))
    heads = {fraction: chosen[: int(fraction * len(texts))] for fraction in REAL_FRACTIONS}
    return {fraction: fresh_mmd_ratio(vectors, rows) ** 0.5 for fraction, rows in heads.items()}, len(texts)


def bench_real():
    if not MODEL.is_dir():
        print(f"herding on a real pool: left out, there is no {MODEL}")
        return
    ratios, examples = real_mmd()
    told = ", ".join(f"{100 * ratio:.0f} % at {100 * fraction:.0f} %" for fraction, ratio in ratios.items())
    print(f"herding on {examples:,} real problems: MMD over random's in fresh features: {told}")


def main():
    parser = argparse.ArgumentParser(description="Herding against a pass over its features, and against random.")
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--real", action="store_true", help="only the real pool")
    asked = parser.parse_args()
    if not asked.real:
        features, pool = made_features(asked.examples), made_pool(asked.examples)
        bench_speed(features, pool)
        bench_growth(features, pool)
    bench_real()


if __name__ == "__main__":
    main()
