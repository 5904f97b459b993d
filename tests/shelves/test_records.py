import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from winnow.ledger import total
from winnow.records import Artifact, Cost, Outcome, Silent, Stored, Traits, from_json, to_json

amounts = st.floats(0, 1e30, allow_nan=False)
counts = st.integers(0, 2**60)
costs = st.builds(Cost, amounts, amounts, amounts, counts, counts, amounts)
ARTIFACT = Artifact(
    name="train.full.s0", kind="train", fingerprint="f" * 24, digest="d" * 64, inputs={"data": "abc"},
    costs={"train": Cost(flops=1.5, tokens=3), "evaluate": Cost(seconds=0.1)}, wasted=Cost(seconds=2.0),
    numbers={"loss": 1.25, "steps": 3, "sets": ["a", "b"], "best": {"step": None}, "ok": True},
    files={"best/x": "0" * 64},
)  # fmt: skip
RECORDS = [
    ARTIFACT,
    Cost(1.0, 2.0, 3.0, 4, 5, 6.0),
    Stored(ARTIFACT, Path("store/train/abc")),
    Outcome(("best", "last"), ("log.json",), {"loss": 0.5}, {"train": Cost(seconds=1.0)}, Cost(flops=1.0)),
    Outcome(("only",)),
    Traits("herding", "Follows the mean.", is_random=True, takes_fraction=False),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_come_back_from_json(record):
    assert from_json(type(record), json.loads(json.dumps(to_json(record)))) == record


@settings(max_examples=60, deadline=None)
@given(cost=costs)
def test_costs_come_back_from_json(cost):
    assert from_json(Cost, json.loads(json.dumps(to_json(cost)))) == cost


@settings(max_examples=60, deadline=None)
@given(first=costs, second=costs)
def test_costs_add_up_in_any_order(first, second):
    assert first + second == second + first
    assert first + Cost() == first
    assert (first + second).tokens == first.tokens + second.tokens
    assert total([first, second]) == first + second


def test_records_do_not_change():
    with pytest.raises(AttributeError):
        ARTIFACT.name = "other"
    assert replace(ARTIFACT, name="other").digest == ARTIFACT.digest


@pytest.mark.parametrize("change", [{"costs": 3}, {"files": {"a": 1.5}}, {"name": None}])
def test_a_record_that_does_not_fit_is_refused(change):
    with pytest.raises(ValidationError):
        from_json(Artifact, to_json(ARTIFACT) | change)


def test_stored_gives_the_numbers():
    assert Stored(ARTIFACT, Path()).numbers["loss"] == 1.25
    assert Silent().update(1, 2, "note") is None
