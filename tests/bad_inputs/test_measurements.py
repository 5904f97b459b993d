"""Rows to compare that are no measurements: one line with the row's number."""

import math

import pyarrow as pa
import pytest

import winnow
from bad_inputs_support import assert_refuses
from winnow.analysis.statistics import deviation, mean_interval

RUN = {"arm": "mine", "seed": 1, "metric": "loss", "value": 2.0}
MEASURED = {
    # what differs in the second row, what the line says
    "value NaN": ({"value": float("nan")}, "the value nan"),
    "value none": ({"value": None}, "an empty value"),
    "value empty": ({"value": ""}, "an empty value"),
    "value infinite": ({"value": float("-inf")}, "the value -inf"),
    "value 1e308": ({"value": 1e308}, "the value 1e+308", "finite"),
    "value 1e308 as text": ({"value": "1e308"}, "the value '1e308'"),
    "value of 400 digits": ({"value": 10**400}, "the value 1000"),
    "value of 5,000 digits": ({"value": 10**5000}, "the value of type int"),
    "value as text": ({"value": "low"}, "the value 'low'"),
    "value with a comma": ({"value": "1,5"}, "the value '1,5'"),
    "value as Python spells it": ({"value": "1_000"}, "the value '1_000'"),
    "value in bytes": ({"value": b"1"}, "the value b'1'"),
    "value in a list": ({"value": [1.0]}, "the value [1.0]"),
    "value a truth": ({"value": True}, "the value True"),
    "value complex": ({"value": 1j}, "the value of type complex"),
    "seed a fraction": ({"seed": 1.5}, "the seed 1.5", "whole number"),
    "seed as text": ({"seed": "first"}, "the seed 'first'"),
    "seed NaN": ({"seed": float("nan")}, "the seed nan"),
    "seed a truth": ({"seed": True}, "the seed True"),
    "seed of 70 bits": ({"seed": 2**70}, "the seed 1180591620717411303424"),
    "seed that a fraction does not hold": ({"seed": 2.0**60}, "the seed 1.152921504606847e+18"),
    "arm none": ({"arm": None}, "an empty arm"),
    "arm NaN": ({"arm": float("nan")}, "the arm nan"),
    "arm empty": ({"arm": ""}, "an empty arm"),
    "arm blank": ({"arm": "  "}, "the arm ' '"),
    "arm with spaces around it": ({"arm": "full "}, "the arm 'full '"),
    "arm with a NUL": ({"arm": "full\0"}, "the arm 'full\\x00'"),
    "arm with an escape code": ({"arm": "\x1b[2Jfull"}, "the arm '\\x1b[2Jfull'"),
    "arm with a line break": ({"arm": "a\nb"}, "the arm 'a\\nb'"),
    "arm that turns the text round": ({"arm": "a\u202eb"}, "the arm 'a\\u202eb'"),
    "arm of half a character": ({"arm": "a\ud800"}, "the arm 'a\\ud800'"),
    "arm without an end": ({"arm": "a" * 10**6}, "the arm 'aaa"),
    "arm in bytes": ({"arm": b"full"}, "the arm b'full'"),
    "arm in a list": ({"arm": ["full"]}, "the arm ['full']"),
    "metric with an escape code": ({"metric": "loss\x1b"}, "the metric 'loss\\x1b'"),
    "step NaN as text": ({"step": "nan"}, "the step 'nan'"),
    "step infinite": ({"step": float("inf")}, "the step inf"),
    "cost as text": ({"cost": "free"}, "the cost 'free'"),
    "twice": ({"seed": 0}, "the second for arm mine, seed 0"),
}


@pytest.mark.parametrize("case", MEASURED)
def test_a_measurement_that_is_none_is_one_line_with_its_row(case):
    odd, *said = MEASURED[case]
    rows = [RUN | {"seed": 0}, RUN | odd, *(RUN | {"arm": "full", "seed": seed} for seed in range(2))]
    assert_refuses(lambda: winnow.compare(rows, baseline="full"), "row 2", *said)


@pytest.mark.parametrize("column", ["arm", "seed", "metric", "value"])
def test_a_missing_column_is_one_line_with_its_row(column):
    rows = [RUN, {f"{name}s" if name == column else name: value for name, value in RUN.items()} | {5: 1}]
    assert_refuses(lambda: winnow.compare(rows, baseline="full"), f"row 2 has no {column} (did you mean '{column}s'?)")


def test_large_seeds_stay_apart():
    rows = [RUN | {"arm": arm, "seed": str(2**60 + seed)} for arm in ("full", "mine") for seed in range(3)]
    assert winnow.compare(rows, baseline="full")["mine"].seeds == 3


def test_a_table_with_a_column_twice_is_no_runs():
    table = pa.table([["a"], [1], ["loss"], [2.0], [3.0]], names=["arm", "seed", "metric", "value", "value"])
    assert_refuses(lambda: winnow.compare(table, baseline="a"), "two columns named 'value'")


def test_numbers_too_large_for_a_mean_are_one_line_and_tiny_ones_keep_their_spread():
    for values in ([1e308, 1e308], [1e308, -1e308], [1.7e308, 1.7e308, -1.7e308], [math.nan, 1.0], [math.inf, 1.0]):
        assert_refuses(lambda values=values: mean_interval(values), "no finite numbers, or too large")
    assert deviation([1e-200, 3e-200]) == pytest.approx(2**0.5 * 1e-200, rel=1e-12)
