"""The pool and the selections as points in the plane: the first two principal components of the vectors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

POOL = "pool"
SHOWN, CHOSEN_SHOWN = 1500, 400
"""Rows of the pool, and of each selection, that are shown at most."""


def plane(
    vectors: NDArray[Any], selections: Mapping[str, NDArray[np.int64]], *, is_whitened: bool
) -> dict[str, NDArray[np.float64]]:
    """`pool` and each selection -> points [rows, 2], centred, the first component along the larger variance.

    Whitened vectors hold their components in order already; of others, evenly spread rows of the pool make them. A
    selection shows its first rows. Empty for vectors of fewer than two dimensions.
    """
    if vectors.shape[1] < 2:
        return {}
    kept = np.unique(np.linspace(0, len(vectors) - 1, min(SHOWN, len(vectors))).astype(np.int64))
    sample = vectors[kept].astype(np.float64)
    mean = sample.mean(axis=0)
    two = np.eye(vectors.shape[1])[:, :2] if is_whitened else _components(sample)
    shown = {name: vectors[rows[:CHOSEN_SHOWN]].astype(np.float64) for name, rows in selections.items()}
    return {name: (points - mean) @ two for name, points in {POOL: sample, **shown}.items()}


def _components(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """[dimensions, 2], the sign of each fixed by its largest entry."""
    _, axes = np.linalg.eigh(np.cov(rows, rowvar=False, ddof=0))
    two = axes[:, [-1, -2]]
    return two * np.sign(two[np.abs(two).argmax(axis=0), [0, 1]])
