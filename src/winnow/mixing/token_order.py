"""Which source each row is from where rows differ in length: examples, chats.

Shares are of tokens here, too, so a source of long rows gives fewer of them. The rule is that of `order.py`: of the
sources that are not ahead of their share, the one whose next row is due first. In no prefix is a source further from
its share than the longest row (so in hundreds of random cases of the tests; it is not proved).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from winnow.errors import DataError
from winnow.mixing.schedule import Schedule, accumulated
from winnow.mixing.sources import FloatArray

POINTS = 4096
"""Of a run, between which shares that change are interpolated."""
ROUNDING = 1e-6
"""Tokens."""


def token_order(
    schedule: Schedule, sources: Sequence[str], lengths: Sequence[Iterator[int]], *, tokens: int
) -> NDArray[np.int16]:
    """[rows]: number of the source of each row, until `tokens` are reached; the row that crosses them is the last.

    `lengths` gives the tokens of each source's rows in the order in which they will come, epoch after epoch; a source
    without a share is never asked. Raises DataError where one ends while it still has a share.
    """
    target = _Target(schedule, sources, tokens)
    placed, order, total = np.zeros(len(sources)), [], 0
    upcoming = np.array([_next(lengths, source, target) for source in range(len(sources))])
    due = np.array([target.due(source, upcoming[source]) for source in range(len(sources))])
    while total < tokens:
        is_ahead = placed > target.at(total) + ROUNDING
        source = int(np.where(is_ahead, np.inf, due).argmin())
        if not upcoming[source]:
            raise DataError(f"source {sources[source]!r} ends after {placed[source]:,.0f} tokens; let it be repeated")
        order.append(source)
        placed[source] += upcoming[source]
        total += int(upcoming[source])
        upcoming[source] = _next(lengths, source, target)
        due[source] = target.due(source, placed[source] + upcoming[source])
    return np.array(order, dtype=np.int16)


def _next(lengths: Sequence[Iterator[int]], source: int, target: "_Target") -> int:
    """Tokens of a source's next row; 0 where there is none, or none is ever wanted."""
    return next(lengths[source], 0) if target.shares[-1, source] > 0 else 0


class _Target:
    """How many tokens of each source belong to the first so many of a run."""

    def __init__(self, schedule: Schedule, sources: Sequence[str], tokens: int) -> None:
        places = np.concatenate([np.linspace(0, 1, POINTS + 1), [knot.at for knot in schedule.knots]])
        self.amounts = np.unique(np.ceil(places * tokens))
        self.shares = accumulated(schedule, sources, self.amounts, tokens)
        self.never = 2.0 * tokens

    def at(self, amount: float) -> FloatArray:
        """[sources]: tokens of each that belong to the first `amount`."""
        piece = min(int(np.searchsorted(self.amounts, amount, side="right")), len(self.amounts) - 1)
        low, high = self.amounts[piece - 1 : piece + 1]
        return self.shares[piece - 1] + (amount - low) / (high - low) * (self.shares[piece] - self.shares[piece - 1])

    def due(self, source: int, tokens: float) -> float:
        """The first amount to which so many tokens of the source belong; where there is none, beyond the end."""
        column = self.shares[:, source]
        if column[-1] <= 0:
            return np.inf
        after = int(np.searchsorted(column, tokens - ROUNDING))
        if after == len(column):
            return float(self.never + tokens - column[-1])
        before = max(after - 1, 0)
        part = (tokens - column[before]) / (column[after] - column[before]) if after else 0.0
        return float(self.amounts[before] + part * (self.amounts[after] - self.amounts[before]))
