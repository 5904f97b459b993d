"""Savings by the published rounding, and bounds of savings that hold whatever the costs are."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.analysis.cost import amount, scaled
from winnow.analysis.frontier import PATIENCE, CostToQuality, break_even_runs, early_stop_place, saving_of
from winnow.analysis.savings import Point, saved
from winnow.records import Cost

light = settings(max_examples=60, deadline=None)
seconds, prices = st.floats(0, 1e6), st.floats(0.01, 1e3)
points = st.builds(Point, loss=st.floats(0, 10), exact_match=st.one_of(st.none(), st.floats(0, 1)), seconds=seconds)


def cents(value):
    return Decimal(repr(float(value))).quantize(Decimal("0.01"), ROUND_HALF_UP)


@light
@given(points, points, prices, seconds)
def test_what_is_saved_is_the_difference_of_the_printed_prices(arm, baseline, price, selection):
    found = saved(arm, baseline, dollars_per_hour=price, selection_seconds=selection)
    mine, theirs, chosen = (cents(each / 3600 * price) for each in (arm.seconds, baseline.seconds, selection))
    kept = theirs - mine - chosen
    assert Decimal(repr(found.dollars)) == kept.quantize(Decimal("0.01"))
    assert found.seconds == pytest.approx(baseline.seconds - arm.seconds - selection, abs=1e-6)
    assert (found.dollars_percent is None) == (theirs == 0)
    if theirs:
        assert found.dollars_percent == pytest.approx(float(100 * kept / theirs), abs=0.00501)


@light
@given(points, prices)
def test_an_arm_saves_nothing_against_itself_but_its_selection(point, price):
    found = saved(point, point, dollars_per_hour=price)
    assert (found.loss_difference, found.seconds, found.dollars) == (0, 0, 0)
    assert found.exact_match_difference_points in (0, None)
    assert saved(point, point, dollars_per_hour=price, selection_seconds=3600).dollars == -float(cents(price))


@pytest.mark.parametrize(("arm", "baseline", "points"), [
    (0.31805, 0.3, 1.81), (0.3, 0.31805, -1.81), (0.3333, 0.3333, 0.0), (None, 0.3, None), (0.3, None, None),
])  # fmt: skip
def test_exact_match_is_compared_as_printed(arm, baseline, points):
    found = saved(Point(1.00005, arm, 1.0), Point(1.0, baseline, 1.0), dollars_per_hour=1.0)
    assert (found.exact_match_difference_points, found.loss_difference) == (points, 0.0001)


costs = st.floats(1.0, 1e4)


@st.composite
def runs(draw):
    to_last, selection = draw(costs), draw(st.floats(0, 1e4))
    best, reached = (to_last * draw(st.floats(0.01, 1.0)) for _ in range(2))
    to_baseline = draw(st.sampled_from([reached, None]))
    return CostToQuality("arm", 0, "flops", best, to_last, to_last, to_baseline, selection, selection / 2)


pairs = st.lists(st.tuples(runs(), runs()), min_size=1, max_size=5)


@light
@given(pairs)
def test_a_selection_of_the_arm_never_makes_its_net_saving_larger(given_pairs):
    free = [(mine, replace(other, selection=0.0)) for mine, other in given_pairs]
    found = saving_of(free, baseline="full", axis="flops", confidence=0.95)
    assert found.num == len(free) and found.num_never == sum(mine.to_baseline is None for mine, _ in free)
    if found.num_never:
        assert (found.gross, found.net, found.break_even_runs) == (None, None, None)
        later = [(replace(m, to_baseline=m.to_baseline or 2 * m.to_last), o) for m, o in free]
        assert saving_of(later, baseline="full", axis="flops", confidence=0.95).gross.mean <= found.at_most + 1e-9
    else:
        assert found.net.mean <= found.gross.mean + 1e-12 <= 1 + 1e-9
        assert found.gross.mean == pytest.approx(np.mean([1 - m.to_baseline / o.to_best for m, o in free]))


@light
@given(pairs, st.floats(0.01, 1e6))
def test_a_saving_has_no_unit(given_pairs, factor):
    def rescaled(run):
        names = ("to_best", "to_last", "to_early_stop", "to_baseline", "selection", "selection_amortised")
        values = {name: getattr(run, name) for name in names}
        return replace(run, **{name: None if value is None else factor * value for name, value in values.items()})

    one, other = (
        saving_of(each, baseline="full", axis="flops", confidence=0.95)
        for each in (given_pairs, [(rescaled(mine), rescaled(theirs)) for mine, theirs in given_pairs])
    )
    for name in ("gross", "net"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or second.mean == pytest.approx(first.mean, rel=1e-6, abs=1e-9)
    assert one.at_most == (None if other.at_most is None else pytest.approx(other.at_most, rel=1e-6, abs=1e-9))


@light
@given(st.floats(0, 1e5), st.floats(0.1, 1e4))
def test_break_even_is_the_fewest_runs_that_pay_for_the_selection(selection, saved_per_run):
    num = break_even_runs(selection=selection, saved_per_run=saved_per_run)
    assert num * saved_per_run >= selection * (1 - 1e-12) and num >= 1
    assert num == 1 or (num - 1) * saved_per_run < selection


@light
@given(st.lists(st.sampled_from([1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=12))
def test_the_rule_ends_a_run_after_the_first_evaluations_without_a_new_best(losses):
    records = [place for place, loss in enumerate(losses) if place == 0 or loss < min(losses[:place])]
    gaps = [(a, b) for a, b in pairwise([*records, len(losses) + PATIENCE]) if b - a > PATIENCE]
    expected = min((a + PATIENCE for a, _ in gaps if a + PATIENCE < len(losses)), default=len(losses) - 1)
    assert early_stop_place(losses) == expected


def test_a_cost_is_said_on_every_axis_and_shared_by_parts():
    cost = Cost(flops=6e15, tokens=7, seconds=7200.0, dollars=0.5)
    assert [amount(cost, axis, 3.0) for axis in ("flops", "seconds", "dollars", "tokens")] == [6e15, 7200.0, 6.5, 7.0]
    third = scaled(cost, 1 / 3)
    assert (third.flops, third.tokens, third.seconds) == (pytest.approx(2e15), 2, pytest.approx(2400.0))
    assert isinstance(third.tokens, int) and scaled(cost, 1.0) == cost
