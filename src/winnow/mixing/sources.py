"""What a source holds for training, and shares of sources as arrays.

A share is a part of the tokens of a run: 0.5 of a million tokens are 500,000, however many documents that takes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourceTokens:
    """The unique text of a source, without what is held out for validation."""

    name: str
    tokens: int
    """End tokens included."""
    documents: int
    bytes: int
    """Of the text in UTF-8."""


def source_seed(seed: int, name: str, epoch: int) -> list[int]:
    """What draws the order of a source in an epoch: other sources and epochs have orders of their own."""
    return [seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]), epoch]


def check_sources(sources: Sequence[SourceTokens]) -> None:
    """Raises DataError where a source has no text left."""
    for source in sources:
        if source.tokens < 1:
            raise DataError(
                f"source {source.name!r} has no text left for training; look at what its documents were removed for, "
                "or leave it out of pool.sources"
            )


def as_array(shares: Mapping[str, float], names: Sequence[str]) -> FloatArray:
    """[sources]: the shares in the order of `names`; 0 for a source that they do not name."""
    return np.array([shares.get(name, 0.0) for name in names], dtype=np.float64)


def as_shares(values: FloatArray, names: Sequence[str]) -> dict[str, float]:
    """The shares by source, scaled to sum to 1 within rounding."""
    return dict(zip(names, (values / values.sum()).tolist(), strict=True))
