"""Shares over the course of a run, by knots.

    Schedule.constant({"books": 0.5, "web": 0.5})
    Schedule((Knot(0, {"web": 1}), Knot(1, {"books": 1})), between="linear")      # moves from one to the other
    Schedule((Knot(0, {"web": 1}), Knot(0.5, {"books": 1})), between="step")      # changes at half time

Before the first knot and after the last one shares are theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from winnow.errors import RecipeError
from winnow.mixing.sources import FloatArray, as_array

Between = Literal["linear", "step"]


@dataclass(frozen=True, slots=True)
class Knot:
    """Shares at a point of a run."""

    at: float
    """Progress, 0 at the start and 1 at the end."""
    shares: Mapping[str, float]
    """By source, 1 in all."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Shares at every point of a run."""

    knots: tuple[Knot, ...]
    between: Between = "linear"

    def __post_init__(self) -> None:
        places = [knot.at for knot in self.knots]
        if not places or any(later <= earlier for earlier, later in pairwise(places)):
            raise RecipeError(f"knots are at {places or 'no place'}; give one at least, each later than the one before")

    @classmethod
    def constant(cls, shares: Mapping[str, float]) -> "Schedule":
        """The same shares from start to end."""
        return cls((Knot(0.0, shares),))

    @property
    def is_constant(self) -> bool:
        """Whether shares are the same from start to end."""
        return all(dict(knot.shares) == dict(self.knots[0].shares) for knot in self.knots)

    def at(self, progress: FloatArray, sources: Sequence[str]) -> FloatArray:
        """[points, sources]: shares at each progress [points] in [0, 1]."""
        places, shares = self._arrays(sources)
        if self.between == "step":
            return shares[np.maximum(np.searchsorted(places, progress, side="right") - 1, 0)]
        return np.stack([np.interp(progress, places, column) for column in shares.T], axis=1)

    def _arrays(self, sources: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Places [knots] and shares [knots, sources] of the knots."""
        places = np.array([knot.at for knot in self.knots], dtype=np.float64)
        return places, np.array([as_array(knot.shares, sources) for knot in self.knots])


def cumulative(schedule: Schedule, sources: Sequence[str], rows: int) -> FloatArray:
    """[rows + 1, sources]: how many of the first n rows are each source's, in fractions of a row; n sums up row n.

    A step counts from the first row that begins at or after it, so that no row is of shares that are not yet; between
    linear knots each row has the mean of the shares it spans.
    """
    return accumulated(schedule, sources, np.arange(rows + 1, dtype=np.float64), rows)


def accumulated(schedule: Schedule, sources: Sequence[str], amounts: FloatArray, total: float) -> FloatArray:
    """[points, sources]: how much of the first `amounts` [points] of `total`, in rows or tokens, is each source's.

    The integral of the shares, in closed form, so that no rounding piles up. Steps lie at whole amounts.
    """
    if schedule.between == "step" or schedule.is_constant:
        return _of_steps(schedule, sources, amounts, total)
    places, shares = schedule._arrays(sources)
    places = np.concatenate([[min(0.0, places[0])], places, [max(1.0, places[-1])]])
    shares = np.concatenate([shares[:1], shares, shares[-1:]])
    pieces = np.diff(places)[:, None] * (shares[1:] + shares[:-1]) / 2
    until = np.concatenate([np.zeros((1, len(sources))), np.cumsum(pieces, axis=0)])
    progress = amounts / total
    piece = np.clip(np.searchsorted(places, progress, side="right") - 1, 0, len(pieces) - 1)
    inside = (progress - places[piece])[:, None] * (shares[piece] + schedule.at(progress, sources)) / 2
    return total * (until[piece] + inside)


def _of_steps(schedule: Schedule, sources: Sequence[str], amounts: FloatArray, total: float) -> FloatArray:
    places, shares = schedule._arrays(sources)
    begins = np.ceil(np.round(places[1:] * total, 6))
    bounds = np.concatenate([[0.0], begins, [np.inf]])
    inside = np.stack([np.clip(amounts - low, 0.0, high - low) for low, high in pairwise(bounds)], axis=1)
    return inside @ shares


def time_averages(schedule: Schedule, sources: Sequence[str]) -> dict[str, float]:
    """Each source's share of a whole run: those of the static control with equal totals."""
    totals = accumulated(schedule, sources, np.array([1e12]), 1e12)[0] / 1e12
    return dict(zip(sources, totals.tolist(), strict=True))
