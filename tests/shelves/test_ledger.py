from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.ledger import SELECTION_METERS, charged_stages, dollars, metered, round_half_up, total
from winnow.records import Artifact, Cost


def artifact(name, **seconds):
    costs = {meter: Cost(seconds=amount, flops=10 * amount) for meter, amount in seconds.items()}
    return Artifact(name, "kind", name, name, {}, costs, Cost(), {}, {})


STAGES = {
    "pool": artifact("pool", generate=1000.0),
    "base": artifact("base", train=500.0),
    "features": artifact("features", represent=8.0),
    "select.herding": artifact("select.herding", select=4.0, generate=100.0),
    "select.random": artifact("select.random", select=0.5),
    "select.matched": artifact("select.matched", select=0.25),
    "train.herding": artifact("train.herding", train=60.0, evaluate=9.0),
}
INPUTS = {
    "features": {"pool": "pool", "model": "base"},
    "select.herding": {"pool": "pool", "features": "features"},
    "select.random": {"pool": "pool", "audit": "features"},
    "select.matched": {"pool": "pool", "audit": "features", "reference": "select.herding"},
    "train.herding": {"data": "pool", "selection": "select.herding", "start": "base"},
    "train.random": {"data": "pool", "selection": "select.random", "start": "base"},
    "train.matched": {"data": "pool", "selection": "select.matched", "start": "base"},
}


def selection_cost(run, stages, inputs):
    """As analysis sums it: the meters of selection over all stages that the run is charged for."""
    return total(metered(stages[s], SELECTION_METERS) for s in charged_stages(run, inputs) if s in stages)


@pytest.mark.parametrize(("run", "seconds"), [
    ("select.herding", 12.0), ("train.herding", 12.0), ("train.random", 0.5), ("train.matched", 0.25), ("pool", 0.0),
])  # fmt: skip
def test_a_selection_is_charged_along_the_edges_that_it_uses(run, seconds):
    assert selection_cost(run, STAGES, INPUTS).seconds == seconds
    assert selection_cost(run, STAGES, INPUTS).flops == 10 * seconds


def test_a_stage_reached_twice_is_charged_once():
    inputs = INPUTS | {"train.herding": INPUTS["train.herding"] | {"features": "features", "again": "select.herding"}}
    assert selection_cost("train.herding", STAGES, inputs).seconds == 12.0


def test_stages_that_are_not_made_yet_cost_nothing():
    assert selection_cost("train.herding", {"features": STAGES["features"]}, INPUTS).seconds == 8.0


def test_meters_and_totals():
    assert metered(STAGES["train.herding"], ("train",)).seconds == 60.0
    assert metered(STAGES["train.herding"], SELECTION_METERS) == Cost()
    assert total([]) == Cost()
    assert total([Cost(1, 2, 3, 4, 5, 6), Cost(10, 20, 30, 40, 50, 60)]) == Cost(11, 22, 33, 44, 55, 66)


def test_dollars_are_for_the_whole_machine():
    assert dollars(5400, 3.56) == pytest.approx(5.34)
    assert dollars(5400, 0.0) == 0.0


@pytest.mark.parametrize(("value", "places", "rounded"), [
    (0.005, 2, 0.01), (1.005, 2, 1.01), (2.675, 2, 2.68), (0.015, 2, 0.02), (-0.005, 2, -0.01), (-1.005, 2, -1.01),
    (0.0049999, 2, 0.0), (2.5, 0, 3.0), (0.0005, 3, 0.001), (36.485, 2, 36.49), (1e15 + 0.5, 0, 1e15 + 1), (7, 2, 7.0),
])  # fmt: skip
def test_halves_are_rounded_up_as_they_are_spelled(value, places, rounded):
    assert round_half_up(value, places) == rounded


@settings(max_examples=60, deadline=None)
@given(cents=st.integers(-(10**9), 10**9))
def test_rounding_leaves_what_is_round(cents):
    value = float(Decimal(cents) / 100)
    assert round_half_up(value) == value
