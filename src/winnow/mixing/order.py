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
NEVER = 2
"""Places behind the end of a run where stands what is not due in it, or may not come."""
LATE = np.iinfo(np.int64).max


def schedule_order(schedule: Schedule, sources: Sequence[str], rows: int) -> NDArray[np.int16]:
    """[rows]: the number of the source of each row; ties go to the source that comes first.

    16 bytes a row beside the result; `benchmarks/bench_mixing.py` says how long it takes.
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
    order, ends = np.zeros((length, len(begins)), dtype=np.int16), np.empty_like(starts)
    todo = np.arange(len(begins))
    while len(todo):
        order[:, todo], ends[:, todo] = _placed(jobs, starts[:, todo], begins[todo], length)
        todo = 1 + np.flatnonzero((starts[:, 1:] != ends[:, :-1]).any(axis=0))
        starts[:, todo] = ends[:, todo - 1]
    return order.T.ravel()[:rows]


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The rows to place, one source's after the other's; behind those of each stands one that never may come."""

    ready: IntArray
    """[jobs]: first place that it may have, from 1."""
    due: IntArray
    """[jobs]: last place; behind the end of the run where only a part of the row is due by then."""


def _jobs(columns: Iterable[FloatArray], rows: int, begins: IntArray) -> tuple[_Jobs, IntArray]:
    """All jobs, and [sources, stretches]: each source's next one where a stretch probably begins."""
    ready, due, upcoming, has_begun, first = [], [], [], [], 0
    places = np.arange(1, rows + 1)
    for column in columns:
        begun = np.ceil(column - ROUNDING).astype(np.int64)
        reached = np.floor(column + ROUNDING).astype(np.int64)
        ready += [np.repeat(places, np.diff(begun)), [rows + NEVER]]
        due += [np.repeat(places, np.diff(reached)), np.full(begun[-1] - reached[-1] + 1, rows + NEVER)]
        upcoming.append(first + reached[begins])
        has_begun.append(begun[begins] > reached[begins])
        first += begun[-1] + 1
    beyond = np.full(SHORTEST + len(begins), rows + NEVER)  # a stretch that the end cuts short goes on with nothing
    jobs, likely = _Jobs(np.concatenate([*ready, beyond]), np.concatenate([*due, beyond])), np.array(upcoming)
    urgency = np.where(has_begun, jobs.due[likely], rows + NEVER + 1).argsort(axis=0, kind="stable").argsort(axis=0)
    placed = likely - likely[:, :1]
    return jobs, likely + (urgency < begins - placed.sum(axis=0))


def _placed(jobs: _Jobs, starts: IntArray, begins: IntArray, length: int) -> tuple[NDArray[np.int16], IntArray]:
    """The sources [length, stretches] of some stretches' rows, and the next jobs [sources, stretches] at their ends."""
    order, upcoming, stretches = np.empty((length, len(begins)), dtype=np.int16), starts.copy(), np.arange(len(begins))
    ready, due = jobs.ready[upcoming], jobs.due[upcoming]
    for row in range(length):
        chosen = np.where(ready <= begins + row + 1, due, LATE).argmin(axis=0)
        order[row] = chosen
        following = upcoming[chosen, stretches] + 1
        upcoming[chosen, stretches] = following
        ready[chosen, stretches], due[chosen, stretches] = jobs.ready[following], jobs.due[following]
    return order, upcoming
