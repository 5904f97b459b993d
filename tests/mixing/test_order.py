"""Every prefix of a run has its shares, to less than a row; golden tests M2 to M4."""

import hashlib

import numpy as np
import pytest

from mixing.oracles import order_by_heap
from winnow.mixing.order import deadline_order, schedule_order
from winnow.mixing.schedule import Knot, Schedule, cumulative


def random_schedule(rng):
    sources = [f"s{number}" for number in range(rng.integers(1, 9))]
    places = np.sort(rng.choice(np.linspace(0, 1, 11), size=rng.integers(1, 5), replace=False))
    shares = [rng.dirichlet(np.full(len(sources), rng.choice([0.1, 1, 10]))) for _ in places]
    if rng.random() < 0.3:
        shares = [np.round(each, 1) / np.round(each, 1).sum() if np.round(each, 1).sum() else each for each in shares]
    knots = [Knot(float(at), dict(zip(sources, each, strict=True))) for at, each in zip(places, shares, strict=True)]
    return Schedule(tuple(knots), rng.choice(["linear", "step"])), sources


def off_by(order, target):
    placed = np.stack([np.cumsum(order == source) for source in range(target.shape[1])], axis=1)
    return np.abs(placed - target[1:]).max()


def test_m2_a_billion_tokens_at_50_30_20_are_those_tokens():
    rows = 8138 * 120
    order = schedule_order(Schedule.constant({"books": 0.5, "web": 0.3, "reference": 0.2}), SOURCES, rows)
    assert rows == 976_560 and rows * 1024 == 999_997_440
    assert np.bincount(order).tolist() == [488_280, 292_968, 195_312]
    assert (np.bincount(order) * 1024).tolist() == [499_998_720, 299_999_232, 199_999_488]


def test_m3_the_order_is_that_of_the_first_ten_again_and_again():
    order = schedule_order(Schedule.constant({"books": 0.5, "web": 0.3, "reference": 0.2}), SOURCES, 976_560)
    assert order[:10].tolist() == [0, 1, 0, 2, 0, 1, 0, 1, 0, 2]
    assert (order.reshape(-1, 10) == order[:10]).all()
    assert hashlib.sha256(order.astype(np.int8).tobytes()).hexdigest().startswith("bf0703eeeb6dad00")


@pytest.mark.slow
def test_m4_every_prefix_of_a_thousand_schedules_is_less_than_a_row_off():
    rng, worst = np.random.default_rng(4), 0.0
    for _ in range(1000):
        schedule, sources = random_schedule(rng)
        target = cumulative(schedule, sources, int(rng.integers(1, 800)))
        worst = max(worst, off_by(deadline_order(target), target))
    assert 0.9 < worst < 1 + 1e-6


def test_m4_a_hard_switch_places_no_row_of_the_later_source_before_its_time():
    for rows in (9, 10, 97, 1000):
        schedule = Schedule((Knot(0.0, {"a": 0.5, "b": 0.5}), Knot(0.5, {"c": 1.0})), "step")
        order = schedule_order(schedule, ["a", "b", "c"], rows)
        half = -(-rows // 2)
        assert set(order[:half]) == {0, 1} and set(order[half:]) == {2}


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_order_of_a_heap(seed):
    schedule, sources = random_schedule(np.random.default_rng(seed))
    target = cumulative(schedule, sources, 300)
    assert deadline_order(target).tolist() == order_by_heap(target)


def test_stretches_that_began_otherwise_than_thought_are_done_again():
    """Many small sources due together: what stands at the ends of stretches is hard to tell."""
    shares = np.r_[0.5, np.full(40, 0.5 / 40)]
    target = np.arange(1501)[:, None] * shares
    order = deadline_order(target)
    assert order.tolist() == order_by_heap(target) and off_by(order, target) < 1


@pytest.mark.slow
@pytest.mark.parametrize("sources", [3, 17, 60])
def test_a_long_run_of_uneven_sources_keeps_its_shares(sources):
    """Shares that halve from one to the next: the rarest row is due long after the stretch that has to remember it."""
    shares = 0.5 ** np.arange(1, sources + 1)
    names = [f"s{number}" for number in range(sources)]
    schedule = Schedule(
        (Knot(0, dict(zip(names, shares / shares.sum(), strict=True))), Knot(1, {"s0": 0.3, "s2": 0.7}))
    )
    target = cumulative(schedule, names, 50_000)
    order = schedule_order(schedule, names, 50_000)
    assert off_by(order, target) < 1 + 1e-6
    assert order.tolist() == deadline_order(target).tolist()


def test_ties_go_to_the_first_and_a_source_without_a_share_never_comes():
    assert deadline_order(np.arange(9)[:, None] * np.array([0.5, 0.0, 0.5])).tolist() == [0, 2] * 4
    assert deadline_order(np.zeros((1, 3))).tolist() == []
    assert deadline_order(np.arange(2)[:, None] * np.array([0.2, 0.8])).tolist() in ([0], [1])


SOURCES = ["books", "web", "reference"]
