"""Shares of tokens where rows differ in length."""

from itertools import cycle

import numpy as np
import pytest

from winnow.errors import DataError
from winnow.mixing.order import schedule_order
from winnow.mixing.schedule import Knot, Schedule, accumulated
from winnow.mixing.token_order import token_order

SOURCES = ["chats", "notes", "tables"]


def prefixes(order, rows, sources):
    """[rows, sources]: tokens placed of each source after each row."""
    streams = [cycle(lengths) for lengths in rows]
    steps = np.zeros((len(order), sources))
    for place, source in enumerate(order):
        steps[place, source] = next(streams[source])
    return steps.cumsum(axis=0)


def lengths_of(rng, kind):
    if kind == "even":
        return rng.integers(1, 1000, 200)
    if kind == "long tail":
        return np.minimum(rng.lognormal(4, 1, 200).astype(int) + 1, 2000)
    return rng.choice([1, 1000], 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["even", "long tail", "two sizes"])
def test_no_prefix_is_further_off_than_the_longest_row(kind):
    rng = np.random.default_rng(len(kind))
    for _ in range(40):
        count = int(rng.integers(1, 12))
        names = [f"s{number}" for number in range(count)]
        places = np.sort(rng.choice(np.linspace(0, 1, 11), size=rng.integers(1, 4), replace=False))
        knots = [
            Knot(float(at), dict(zip(names, rng.dirichlet(np.full(count, rng.choice([0.3, 3]))), strict=True)))
            for at in places
        ]
        schedule = Schedule(tuple(knots), rng.choice(["linear", "step"]))
        rows = [lengths_of(rng, kind).tolist() for _ in names]
        order = token_order(schedule, names, [cycle(row) for row in rows], tokens=60_000)
        placed = prefixes(order, rows, count)
        amounts = placed.sum(axis=1)
        inside = amounts <= 60_000
        target = accumulated(schedule, names, amounts[inside], 60_000)
        assert np.abs(placed[inside] - target).max() < max(map(max, rows)) + 1
        assert amounts[-1] >= 60_000 > amounts[-2]


def test_of_rows_of_one_length_it_keeps_to_less_than_a_row_and_to_the_same_totals():
    for shares in ([0.5, 0.3, 0.2], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0], [0.9, 0.07, 0.03]):
        schedule = Schedule.constant(dict(zip(SOURCES, shares, strict=True)))
        order = token_order(schedule, SOURCES, [cycle([64])] * 3, tokens=64 * 200)
        placed = prefixes(order, [[64]] * 3, 3) / 64
        assert np.abs(placed - np.arange(1, 201)[:, None] * shares).max() < 1
        assert np.bincount(order).tolist() == np.bincount(schedule_order(schedule, SOURCES, 200)).tolist()


def test_shares_are_of_tokens_not_of_rows():
    """Rows of 100 and of 10 tokens in equal shares: ten short ones for a long one."""
    halves = Schedule.constant({"chats": 0.5, "notes": 0.5})
    order = token_order(halves, SOURCES, [cycle([100]), cycle([10]), cycle([1])], tokens=20_000)
    assert np.bincount(order, minlength=3).tolist() == [100, 1000, 0]


def test_a_source_that_ends_is_named_unless_it_has_no_share():
    halves = Schedule.constant({"chats": 0.5, "notes": 0.5})
    with pytest.raises(DataError, match="source 'notes' ends after 30 tokens; let it be repeated"):
        token_order(halves, SOURCES, [cycle([10]), iter([10] * 3), iter([])], tokens=200)
    assert len(token_order(halves, SOURCES, [cycle([10]), cycle([10]), iter([])], tokens=200)) == 20


def test_a_switch_keeps_the_later_source_out_until_its_time():
    schedule = Schedule((Knot(0, {"chats": 1.0}), Knot(0.5, {"notes": 1.0})), "step")
    order = token_order(schedule, SOURCES, [cycle([30]), cycle([7]), cycle([1])], tokens=3000)
    assert set(order[:50]) == {0} and set(order[50:]) == {1}
