"""Lazy greedy (Minoux 1978): the plain greedy's choices, with most scores left uncomputed.

Where a row's score can only fall as rows are chosen, as with submodular gains, the score that it had earlier is an
upper bound: a row that is best by its current score, with no other bound above it, is the greedy's choice.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from winnow.selection.views import IntArray

FRONT = 4_096
"""Rows with the highest bounds, which are searched at each choice; the others are out of reach."""
GROWTH = 2
"""Each further batch of one choice is larger than the last: large batches are cheap by the row."""

Scores = NDArray[np.float64]


class Bounds:
    """Upper bounds of all rows and, of those with the highest, a short list."""

    def __init__(self, values: Scores) -> None:
        self.values = values.astype(np.float64)
        self._fill()

    def best(self) -> int:
        """The row with the highest bound, the lowest of those that tie."""
        best = int(self.front[self.front_values.argmax()])
        if (-self.values[best], best) < self.beyond:
            return best
        self._fill()
        return int(self.front[self.front_values.argmax()])

    def highest(self, count: int) -> IntArray:
        """Positions in the front of its `count` highest bounds, in no order."""
        if count >= len(self.front):
            return np.arange(len(self.front))
        return np.argpartition(self.front_values, len(self.front) - count)[-count:]

    def lower(self, places: IntArray, scores: Scores) -> None:
        """Set the bounds at these positions of the front."""
        self.front_values[places] = scores
        self.values[self.front[places]] = scores

    def drop(self, row: int) -> None:
        """Take a row of the front out of the running."""
        self.lower(np.searchsorted(self.front, [row]), np.array([-np.inf]))

    def _fill(self) -> None:
        """The front in ascending order of rows, and the best of what lies beyond it: (-bound, row)."""
        count = len(self.values)
        if count <= FRONT:
            self.front, self.beyond = np.arange(count), (np.inf, count)
        else:
            edge = np.partition(self.values, count - FRONT)[count - FRONT]
            level = np.flatnonzero(self.values == edge)
            above = np.flatnonzero(self.values > edge)
            inside = FRONT - len(above)
            self.front = np.sort(np.concatenate([above, level[:inside]]))
            rest = self.values.copy()
            rest[self.front] = -np.inf
            self.beyond = (-float(rest.max()), int(rest.argmax()))
        self.front_values = self.values[self.front]


def lazy_greedy(
    bounds: Scores, size: int, *, score: Callable[[IntArray], Scores], take: Callable[[int], None], batch: int = 16
) -> IntArray:
    """`size` rows, each the one with the highest score given those before it; ties go to the lower row.

    `bounds` are upper bounds of the first scores, [rows], -inf for rows that may not be chosen. `score(rows)` computes
    the scores of some rows as of now, which must not exceed earlier ones and should be rounded, so that equal rows tie;
    rows that are not the best of those asked for may have an upper bound below that one's score. `take(row)` is told
    each choice. `batch` rows are scored together, and more where that does not settle a choice.
    """
    state = Bounds(bounds)
    scored_at = np.where(np.isneginf(bounds), size, -1)
    chosen = np.empty(size, dtype=np.int64)
    for turn in range(size):
        wanted = batch
        while scored_at[best := state.best()] < turn:
            places = state.highest(wanted)
            places = places[scored_at[state.front[places]] < turn]
            rows = state.front[places]
            state.lower(places, score(rows))
            scored_at[rows] = turn
            wanted *= GROWTH
        chosen[turn] = best
        scored_at[best] = size
        state.drop(best)
        take(best)
    return chosen
