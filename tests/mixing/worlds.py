"""Sources whose tokens come from known probabilities, and what models of mixtures of them would score."""

import numpy as np

from winnow.mixing.learned import ProxyReading
from winnow.mixing.registry import check, find_mixer
from winnow.mixing.sources import SourceTokens, as_array

BYTES = 3.0
"""Bytes a token."""


def sources_of(names, tokens=10**9):
    sizes = [tokens] * len(names) if isinstance(tokens, int) else tokens
    return [SourceTokens(name, size, 10, 3 * size) for name, size in zip(names, sizes, strict=True)]


class Unigrams:
    """A world where a model of a mixture predicts the mixture of its sources' token probabilities."""

    def __init__(self, names, seed=0, vocabulary=50):
        self.names = sorted(names)
        self.rng = np.random.default_rng(seed)
        self.tokens_of = self.rng.dirichlet(np.full(vocabulary, 0.3), size=len(self.names))

    def text(self, shares, count):
        """Tokens [count] of a mixture."""
        mixed = as_array(shares, self.names) @ self.tokens_of
        return self.rng.choice(len(mixed), size=count, p=mixed)

    def reading(self, proxy, sets):
        mixed = as_array(proxy.shares, self.names) @ self.tokens_of
        logs = {name: np.log(mixed[tokens]) for name, tokens in sets.items()}
        return ProxyReading(proxy, {name: -row.mean() / BYTES for name, row in logs.items()}, logs)


def learned(name, sources, readings_of, *, tokens=1000, **options):
    """What a mixer learns; `readings_of` gives the reading of a proxy."""
    mixer, checked = find_mixer(name), check(name, options)
    readings = [readings_of(proxy) for proxy in mixer.proxies([each.name for each in sources], options=checked)]
    return mixer.shares(sources, tokens=tokens, readings=readings, options=checked)


def simplex_grid(sources, steps):
    """[points, sources]: all shares that are multiples of 1 / steps."""
    if sources == 1:
        return np.ones((1, 1))
    rows = [
        np.column_stack([np.full(len(rest), first / steps), rest * (steps - first) / steps])
        for first in range(steps + 1)
        for rest in [simplex_grid(sources - 1, max(steps - first, 1))]
    ]
    return np.unique(np.round(np.concatenate(rows), 9), axis=0)


def slopes_by_differences(function, at, step=1e-6):
    return np.array([
        (function(at + step * unit)[0] - function(at - step * unit)[0]) / (2 * step) for unit in np.eye(len(at))
    ])  # fmt: skip
