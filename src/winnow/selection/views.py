"""What a selector may see: candidate rows and their features, and nothing of any evaluation set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PoolView:
    """The candidates, one entry per row in each field."""

    ids: list[str]
    sources: NDArray[np.str_]
    tokens: IntArray
    """Length of prompt and completion together."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: IntArray) -> "PoolView":
        """These rows, in this order."""
        return PoolView([self.ids[row] for row in rows], self.sources[rows], self.tokens[rows])


@dataclass(frozen=True, slots=True)
class TargetSample:
    """A sample of what the selection is for.

    A study reads it from the pool stage's target split, which is cleaned of evaluation data, and from nothing else: see
    `winnow.selection.targets`.
    """

    sources: NDArray[np.str_]
    """[target]"""
    vectors: FloatArray | None = None
    """[target, dimensions]"""
    features: FloatArray | None = None
    """[target, features]"""
    scores: NDArray[np.float64] | None = None
    """[target]"""
    counts: "csr_array | None" = None
    """[target, buckets]"""

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a selector sees of the candidates beside ids, sources and lengths; null what it did not ask for."""

    vectors: FloatArray | None = None
    """[pool, dimensions], float32: whitened hidden states, projected gradients, sentence embeddings."""
    features: FloatArray | None = None
    """[pool, features], float32: random Fourier features of the vectors, for kernel methods; |row| = 1."""
    scores: NDArray[np.float64] | None = None
    """[pool]: a number per row, such as its loss."""
    counts: "csr_array | None" = None
    """[pool, buckets], float32: hashed n-grams."""
    target: TargetSample | None = None
    """Null where the pool itself is the aim."""

    def take(self, rows: IntArray) -> "Seen":
        """The same of these rows, in this order; the target stays as it is."""
        parts: dict[str, Any] = {name: getattr(self, name) for name in ("vectors", "features", "scores", "counts")}
        taken = {name: None if part is None else part[rows] for name, part in parts.items()}
        return Seen(**taken, target=self.target)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a selector gives that weighs its rows; others give the rows alone."""

    rows: IntArray
    """Best first."""
    weights: NDArray[np.float64] | None = None
    """[rows], positive, mean 1: how much each counts in training; null where all count alike."""


def id_order(ids: Sequence[str]) -> IntArray:
    """Positions of the rows sorted by id. Raises DataError where an id stands twice or there are none."""
    if not ids:
        raise DataError("the pool is empty; a selection needs at least one row")
    names = np.asarray(ids)
    order = np.argsort(names, kind="stable")
    twice = np.flatnonzero(names[order][1:] == names[order][:-1])
    if len(twice):
        name = names[order[twice[0]]]
        raise DataError(f"{len(twice)} ids stand twice in the pool (such as {name}); ids must be distinct")
    return order


def check_finite(rows: Any, what: str) -> None:
    """Raise DataError where a row holds NaN or an infinity; rows may be vectors, numbers or sparse counts."""
    with np.errstate(all="ignore"):
        sums = rows if rows.ndim == 1 else rows @ np.ones(rows.shape[1], dtype=rows.dtype)
        bad = np.flatnonzero(~np.isfinite(sums))
        if len(bad) and rows.ndim == 2:  # large numbers overflow in float32
            bad = bad[~np.isfinite(rows[bad].sum(axis=1, dtype=np.float64))]
    if len(bad):
        raise DataError(
            f"{what} of {len(bad)} of {rows.shape[0]} rows hold NaN or infinity (first: row {bad[0]}); "
            "the model that made them is damaged or diverged"
        )
