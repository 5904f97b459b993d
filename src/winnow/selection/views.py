"""What a selector may see: candidate rows and their features, and nothing of any evaluation set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError

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
class FeatureView:
    """Feature vectors of the candidates, and of a target sample where the selection is to go towards one."""

    rows: FloatArray
    """[pool, features]"""
    target: FloatArray | None = None
    """[target, features]; null where the pool itself is the aim."""


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


def check_finite(rows: FloatArray, what: str) -> None:
    """Raise DataError where a row holds NaN or an infinity."""
    bad = np.flatnonzero(~np.isfinite(rows.sum(axis=1, dtype=np.float64)))
    if len(bad):
        raise DataError(
            f"{what} of {len(bad)} of {len(rows)} rows hold NaN or infinity (first: row {bad[0]}); "
            "the model that made them is damaged or diverged"
        )
