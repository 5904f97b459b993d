"""Shares over a run, against adding them up in small parts."""

import numpy as np
import pytest

from mixing import oracles
from winnow.errors import RecipeError
from winnow.mixing.schedule import Knot, Schedule, cumulative, time_averages

A, B = {"a": 0.8, "b": 0.2}, {"b": 0.5, "c": 0.5}
SOURCES = ["a", "b", "c"]


@pytest.mark.parametrize("between", ["linear", "step"])
@pytest.mark.parametrize("places", [(0, 1), (0.25, 0.7), (0, 0.3), (0.5,)])
def test_what_is_accumulated_is_the_sum_of_the_shares(places, between):
    knots = tuple(Knot(at, shares) for at, shares in zip(places, [A, B], strict=False))
    schedule = Schedule(knots, between)
    result = cumulative(schedule, SOURCES, 17)
    assert result == pytest.approx(oracles.cumulative(schedule, SOURCES, 17), abs=1e-3)
    assert result.sum(axis=1) == pytest.approx(np.arange(18), abs=1e-12)


def test_shares_at_a_point_are_those_of_the_knots_and_between_them():
    linear = Schedule((Knot(0.2, A), Knot(0.6, B)))
    assert linear.at(np.array([0.0, 0.2, 0.4, 0.6, 1.0]), SOURCES)[:, 0] == pytest.approx([0.8, 0.8, 0.4, 0, 0])
    step = Schedule((Knot(0.2, A), Knot(0.6, B)), "step")
    assert step.at(np.array([0.0, 0.59, 0.6, 1.0]), SOURCES)[:, 0].tolist() == [0.8, 0.8, 0, 0]


def test_a_static_control_has_the_totals_of_its_schedule():
    for schedule in (
        Schedule((Knot(0, A), Knot(1, B))),
        Schedule((Knot(0, A), Knot(0.8, B)), "step"),
        Schedule((Knot(0.1, A), Knot(0.4, B), Knot(0.9, A))),
    ):
        control = Schedule.constant(time_averages(schedule, SOURCES))
        totals = [cumulative(each, SOURCES, 10_000)[-1] for each in (schedule, control)]
        assert totals[0] == pytest.approx(totals[1], abs=1e-6) and control.is_constant and not schedule.is_constant


def test_a_step_does_not_lose_a_row_to_rounding():
    """0.3 x 10 is 3.0000000000000004 in some orders of operations; the fourth row is the first of the step."""
    for rows, at, first in ((10, 0.3, 3), (10, 0.7, 7), (7, 0.5, 4)):
        schedule = Schedule((Knot(0, {"a": 1.0}), Knot(at, {"b": 1.0})), "step")
        assert cumulative(schedule, ["b"], rows)[: first + 2, 0].tolist() == [0.0] * (first + 1) + [1.0]


@pytest.mark.parametrize("places", [(), (0.5, 0.5), (0.6, 0.2)])
def test_knots_have_to_ascend(places):
    with pytest.raises(RecipeError, match="give one at least, each later than the one before"):
        Schedule(tuple(Knot(at, A) for at in places))
