"""From shards, in the order of ids, to one file in the order of the pool's; vectors are whitened on the way.

Vectors go through memory maps a shard at a time, so they are never held in memory as a whole.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from winnow.errors import RecipeError
from winnow.selection.features import Whitening, fit_whitening
from winnow.selection.shards import read_rows
from winnow.selection.views import FloatArray, IntArray

Paths = Mapping[Path, Sequence[Path]]
"""File to write -> its shards."""
Orders = Mapping[Path, IntArray]
"""File to write -> where each row, counted by id, stands in it."""


def join_vectors(paths: Paths, orders: Orders, *, fitted_on: Path, dimensions: int | None, dtype: str) -> int:
    """Write vectors, [rows, width] of `dtype`; gives the width.

    Whitened to `dimensions` by the statistics of the file `fitted_on`, unless that is null. Raises RecipeError where a
    vector does not fit the dtype.
    """
    whitening = None
    if dimensions is not None:
        whitening = _fit(paths[fitted_on], len(orders[fitted_on]), dimensions)
    for path, shards in paths.items():
        width = _write(path, shards, orders[path], whitening, dtype)
    return width


def join_scores(paths: Paths, orders: Orders) -> None:
    """Write scores, [rows] float64."""
    for path, shards in paths.items():
        stored = np.empty(len(orders[path]), dtype=np.float64)
        stored[orders[path]] = np.concatenate([read_rows(shard) for shard in shards])
        np.save(path, stored)


def join_counts(paths: Paths, orders: Orders) -> None:
    """Write counts, [rows, buckets], sparse."""
    for path, shards in paths.items():
        by_id = sparse.vstack([read_rows(shard) for shard in shards], format="csr")
        sparse.save_npz(path, by_id[np.argsort(orders[path])])


def _fit(shards: Sequence[Path], rows: int, dimensions: int) -> Whitening:
    """The whitening of all rows, which lie in a temporary file beside the shards."""
    place = shards[0].with_name("joined.npy")
    joined: FloatArray | None = None
    start = 0
    for shard in shards:
        piece = read_rows(shard)
        if joined is None:
            joined = np.lib.format.open_memmap(place, mode="w+", dtype=np.float32, shape=(rows, piece.shape[1]))
        joined[start : start + len(piece)] = piece
        start += len(piece)
    assert joined is not None
    return fit_whitening(joined, dimensions)


def _write(path: Path, shards: Sequence[Path], order: IntArray, whitening: Whitening | None, dtype: str) -> int:
    stored: FloatArray | None = None
    start = 0
    for shard in shards:
        rows = read_rows(shard)
        points = rows if whitening is None else whitening.apply(rows)
        if stored is None:
            shape = (len(order), points.shape[1])
            stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        if np.abs(points).max() > np.finfo(dtype).max:
            raise RecipeError(f"vectors reach {np.abs(points).max():.3g}, too large for {dtype}; set dtype: float32")
        stored[order[start : start + len(rows)]] = points
        start += len(rows)
    assert stored is not None
    return int(stored.shape[1])
