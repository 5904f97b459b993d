"""What an arm saves against a baseline at the same checkpoint, by the published rounding path.

Dollars are rounded half up to cents first; what is saved is the difference of rounded prices, in percent of the
rounded price of the baseline; loss and exact match are compared as printed (four decimals; percent with two).
"""

from dataclasses import dataclass

from winnow.ledger import dollars, round_half_up


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint: what it reached and the wall time to it, without selection."""

    loss: float
    exact_match: float | None
    """In [0, 1]; None where it is asked of no item."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Saved:
    """An arm against the baseline; positive seconds and dollars are saved, a negative loss difference is better."""

    loss_difference: float
    exact_match_difference_points: float | None
    seconds: float
    dollars: float
    dollars_percent: float | None
    """None where the baseline's price rounds to nothing."""


def saved(arm: Point, baseline: Point, *, dollars_per_hour: float, selection_seconds: float = 0.0) -> Saved:
    """What the arm saves; with `selection_seconds`, net of what its selection costs."""
    times = (arm.seconds, baseline.seconds, selection_seconds)
    price, full_price, selection_price = (round_half_up(dollars(each, dollars_per_hour)) for each in times)
    kept = round_half_up(full_price - price - selection_price)
    return Saved(
        loss_difference=round_half_up(round_half_up(arm.loss, 4) - round_half_up(baseline.loss, 4), 4),
        exact_match_difference_points=_points_between(arm, baseline),
        seconds=baseline.seconds - arm.seconds - selection_seconds,
        dollars=kept,
        dollars_percent=round_half_up(100 * kept / full_price) if full_price else None,
    )


def _points_between(arm: Point, baseline: Point) -> float | None:
    if arm.exact_match is None or baseline.exact_match is None:
        return None
    return round_half_up(round_half_up(100 * arm.exact_match) - round_half_up(100 * baseline.exact_match))
