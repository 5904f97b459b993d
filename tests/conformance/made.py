"""A made pool, and all that could be seen of it."""

import numpy as np
from scipy.sparse import csr_array

from winnow.selection.views import PoolView, Seen, TargetSample


def make_pool(size=90, seed=1, *, dimensions=6, frequencies=8):
    """A pool of three sources and all that could be seen of it, with a target sample of 12."""
    rng = np.random.default_rng(seed)
    ids = [f"id{number:06d}" for number in rng.permutation(10 * size)[:size]]
    sources = rng.choice(["alpha", "beta", "gamma"], size=size, p=[0.6, 0.3, 0.1])
    waves = np.random.default_rng(9).standard_normal((dimensions, frequencies)).astype(np.float32)
    target = TargetSample(rng.choice(np.unique(sources), size=12), **make_views(12, rng, waves))
    return PoolView(ids, sources, rng.integers(5, 200, size)), Seen(**make_views(size, rng, waves), target=target)


def make_views(size, rng, waves):
    """Each view of `size` rows; features of length 1."""
    vectors = rng.standard_normal((size, len(waves))).astype(np.float32)
    phases = vectors @ waves
    features = np.concatenate([np.cos(phases), np.sin(phases)], axis=1) / np.float32(np.sqrt(waves.shape[1]))
    counts = csr_array(rng.poisson(0.3, (size, 20)).astype(np.float32))
    return {"vectors": vectors, "features": features, "scores": rng.random(size), "counts": counts}
