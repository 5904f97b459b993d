"""What mixed predictions would score: the loss of sum_s w_s p_s(token), p_s from a model trained on source s alone.

Convex in the shares w. MixMin (Thudi et al. 2025, arXiv 2502.10510) minimises it; MDE (Belenki et al. 2025, arXiv
2502.15950) takes it as the feature of a regression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from winnow.errors import DataError
from winnow.mixing.learned import ProxyReading
from winnow.mixing.sources import FloatArray


@dataclass(frozen=True, slots=True)
class MixedPredictions:
    """The predictions of one model a source for the tokens of one set."""

    relative: FloatArray
    """[sources, targets]: each target's probabilities over the largest of them."""
    largest: FloatArray
    """[targets]: log of that largest probability."""
    tokens_per_byte: float

    @classmethod
    def of(cls, alone: Sequence[ProxyReading], name: str) -> "MixedPredictions":
        """Those of a set, from proxies of one source each, in the order of the sources.

        Raises DataError where they did not score the same targets.
        """
        rows = [np.asarray((each.log_probabilities or {})[name], dtype=np.float64) for each in alone]
        if len({row.shape for row in rows}) > 1 or not rows[0].size:
            raise DataError(f"proxies scored {[len(row) for row in rows]} targets of {name}; make them again")
        table = np.stack(rows)
        largest = table.max(axis=0)
        return cls(np.exp(table - largest), largest, alone[0].losses[name] / -float(rows[0].mean()))

    def losses(self, shares: FloatArray) -> FloatArray:
        """[targets]: loss of each target in nats, scaled such that their mean is nats per byte."""
        return -(np.log(shares @ self.relative) + self.largest) * self.tokens_per_byte

    def value_and_gradient(self, shares: FloatArray) -> tuple[float, FloatArray]:
        """Nats per byte at these shares, and its gradient [sources]."""
        mixed = shares @ self.relative
        value = -float((np.log(mixed) + self.largest).mean()) * self.tokens_per_byte
        return value, -(self.relative / mixed).mean(axis=1) * self.tokens_per_byte


def alone_in(readings: Sequence[ProxyReading], sources: Sequence[str]) -> list[ProxyReading]:
    """The reading of the proxy that was trained on each source alone. Raises DataError where one is missing."""
    by_source = {_only(reading.proxy.shares): reading for reading in readings if reading.log_probabilities is not None}
    missing = [name for name in sources if name not in by_source]
    if missing:
        raise DataError(f"no proxy was trained on {missing[0]} alone and kept its predictions; make the proxies again")
    return [by_source[name] for name in sources]


def _only(shares: Mapping[str, float]) -> str | None:
    return next((name for name, share in shares.items() if share >= 1 - 1e-9), None)
