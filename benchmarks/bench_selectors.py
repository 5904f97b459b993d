"""Every selector and control on a pool of 100,000: what it costs beside one pass over the pool's features.

Prints CPU time for 1 % of the rows over that of one matrix-vector product with the features ([rows, 1,024], float32),
each selector as it comes, once, with what it asked for: vectors of 32 dimensions, features, scores, 100 hashed n-grams
a row, 180 target rows. What every selection does first, sorting by id and checking what is seen, is part of it.
`--names` runs some. Left out: ids, which reads a file, and facility_location, which has `bench_facility.py`.
"""

import argparse
import statistics
import time

import numpy as np
from scipy.sparse import csr_array

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set

from winnow.selection import registry  # noqa: E402
from winnow.selection.choose import choose, match  # noqa: E402
from winnow.selection.features import fit_fourier_features  # noqa: E402
from winnow.selection.views import PoolView, Seen, TargetSample  # noqa: E402

EXAMPLES, TARGETS, FRACTION, PASSES = 100_000, 180, 0.01, 9
CENTRES, DIMENSIONS, FEATURES, BUCKETS, NGRAMS = 200, 32, 1024, 10_000, 100
LEFT_OUT = ("ids", "facility_location")


def made_views(count, centres, rng, mapping):
    """Each view of `count` rows around the centres; the map of the features, fitted where there is none yet."""
    chosen = rng.integers(0, len(centres), count)
    vectors = 2 * centres[chosen] + rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    mapping = mapping or fit_fourier_features(vectors, features=FEATURES, seed=0)
    hits = np.ones(count * NGRAMS, dtype=np.float32), rng.integers(0, BUCKETS, count * NGRAMS)
    counts = csr_array((*hits, np.arange(0, count * NGRAMS + 1, NGRAMS)), shape=(count, BUCKETS))
    counts.sum_duplicates()
    return {
        "vectors": vectors, "features": mapping.apply(vectors), "scores": rng.random(count), "counts": counts,
    }, mapping  # fmt: skip


def made_pool():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CENTRES, DIMENSIONS), dtype=np.float32)
    views, mapping = made_views(EXAMPLES, centres, rng, None)
    target_views, _ = made_views(TARGETS, centres[:20], rng, mapping)
    sources = rng.choice(["alpha", "beta", "gamma"], EXAMPLES, p=[0.6, 0.3, 0.1])
    pool = PoolView([f"{row:08d}" for row in range(EXAMPLES)], sources, rng.integers(20, 400, EXAMPLES))
    return pool, Seen(**views, target=TargetSample(rng.choice(sources, TARGETS), **target_views))


def cpu_seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started


def one_pass(features):
    rows, ones = torch.from_numpy(features), torch.ones(FEATURES)
    return statistics.median(cpu_seconds(lambda: rows @ ones) for _ in range(PASSES))


def select(name, pool, seen, reference):
    """What is timed."""
    traits = registry.traits()[name]
    if traits.is_control:
        return match(name, reference, pool)
    return choose(name, pool, size=len(reference) if traits.takes_fraction else None, seen=seen)


def main():
    torch.set_num_threads(1)
    known = [name for name in registry.traits() if name not in LEFT_OUT]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", nargs="+", choices=known, default=known)
    pool, seen = made_pool()
    reference = np.arange(0, EXAMPLES, round(1 / FRACTION))
    unit = one_pass(seen.features)
    for name in parser.parse_args().names:
        spent = cpu_seconds(lambda name=name: select(name, pool, seen, reference))
        print(f"{name}: {spent / unit:,.1f} passes", flush=True)


if __name__ == "__main__":
    main()
