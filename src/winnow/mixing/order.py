"""Which source each row of a run is from, such that shares hold at every prefix.

The j-th row of a source may not come before the source's share of the rows exceeds j - 1, and has to by the time it
reaches j. Each place goes to the row with the earliest deadline of those that may come: then the number of rows of a
source differs from its share of every prefix by less than one (P-fairness, Baruah et al. 1996).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from winnow.mixing.schedule import Schedule, cumulative
from winnow.mixing.sources import FloatArray, IntArray

ROUNDING = 1e-6
"""Rows: floats are off by less; a share as near as this to a whole row has reached it."""
SHORTEST = 32
"""Rows of a stretch that is worked out by itself, at least."""


def schedule_order(schedule: Schedule, sources: Sequence[str], rows: int) -> NDArray[np.int16]:
    """[rows]: the number of the source of each row; ties go to the source that comes first.

    A million rows take a tenth of a second, 16 bytes a row beside the result.
    """
    return _order((cumulative(schedule, [name], rows)[:, 0] for name in sources), rows)


def deadline_order(shares: FloatArray) -> NDArray[np.int16]:
    """[rows]: the same for cumulative shares [rows + 1, sources], whose row n sums up to n."""
    return _order(shares.T, len(shares) - 1)


def _order(columns: Iterable[FloatArray], rows: int) -> NDArray[np.int16]:
    """The order, worked out for many stretches at once.

    Each stretch begins with what has probably been placed by then, and is done again where the one before it ends
    otherwise. A difference is gone when what differs is due, so that two passes are mostly enough.
    """
    length = max(SHORTEST, round(rows**0.5 / 2))
    begins = np.arange(0, rows, length)
    jobs, starts = _jobs(columns, rows, begins)
    order, ends = np.zeros(rows, dtype=np.int16), np.empty_like(starts)
    todo = np.arange(len(begins))
    while len(todo):
        ends[:, todo] = _place(jobs, order, starts[:, todo], begins[todo], length)
        todo = 1 + np.flatnonzero((starts[:, 1:] != ends[:, :-1]).any(axis=0))
        starts[:, todo] = ends[:, todo - 1]
    return order


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The rows to place, one source's after the other's; behind those of each stands one that never may come."""

    ready: IntArray
    """[jobs]: first place that it may have, from 1."""
    due: IntArray
    """[jobs]: last place; behind the end of the run where only a part of the row is due by then."""


def _jobs(columns: Iterable[FloatArray], rows: int, begins: IntArray) -> tuple[_Jobs, IntArray]:
    """All jobs, and [sources, stretches]: each source's next one where a stretch probably begins."""
    ready, due, next_jobs, begun, placed = [], [], [], [], np.zeros(len(begins))
    first = 0
    for column in columns:
        number = np.arange(np.ceil(column[-1] - ROUNDING))
        ready.append(np.append(np.searchsorted(column, number + ROUNDING, side="right"), rows + 2))
        due.append(np.append(np.searchsorted(column, number + 1 - ROUNDING), rows + 2))
        whole = np.floor(column[begins] + ROUNDING)
        next_jobs.append(first + whole.astype(np.int64))
        begun.append(column[begins] > whole + ROUNDING)
        placed += whole
        first += len(number) + 1
    jobs, passed = _Jobs(np.concatenate(ready), np.concatenate(due)), np.array(next_jobs)
    urgency = np.where(begun, jobs.due[passed], rows + 3).argsort(axis=0, kind="stable").argsort(axis=0)
    return jobs, passed + (urgency < begins - placed)


def _place(jobs: _Jobs, order: NDArray[np.int16], starts: IntArray, begins: IntArray, length: int) -> IntArray:
    """Fill in stretches of the order; gives the next jobs [sources, stretches] at their ends."""
    upcoming, stretches = starts.copy(), np.arange(len(begins))
    for place in range(length):
        inside = stretches[begins + place < len(order)]
        place_of = begins[inside] + place
        may_come = jobs.ready[upcoming[:, inside]] <= place_of + 1
        chosen = np.where(may_come, jobs.due[upcoming[:, inside]], len(order) + 3).argmin(axis=0)
        order[place_of] = chosen
        upcoming[chosen, inside] += 1
    return upcoming
