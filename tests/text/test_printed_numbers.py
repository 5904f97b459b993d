"""Numbers as they are printed: read back they are the same to the digits shown, whatever their size."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from winnow.text.printing import (
    NONE,
    PREFIXES,
    cell,
    clock,
    exaflops,
    fixed,
    flops_text,
    flops_unit,
    heading,
    level,
    memory,
    plain,
    printed,
)

light = settings(max_examples=80, deadline=None)
sizes = st.floats(1e-3, 1e13, allow_nan=False)
NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})*|\d+)(\.\d+)?(e[+-]\d+)?")


def read_back(text):
    """The number in a text; no point without a digit behind it, and groups of three from 1,000 on."""
    assert NUMBER.fullmatch(text), text
    assert "e" in text or not re.match(r"-?\d{4}", text), text
    return float(text.replace(",", ""))


@light
@example(999.96)
@example(1234.5)
@example(99.96)
@given(sizes)
def test_plain_numbers_and_flops_keep_four_digits(value):
    for shown in (plain(value), exaflops(value), exaflops(value / 1e6, 1e12), cell("exaflops", value)):
        assert read_back(shown) == pytest.approx(value, rel=6e-4)


@light
@example(99.96 * 2**20)
@example(999.6 * 2**20)
@given(st.floats(1.0, 2.0**50))
def test_memory_keeps_three_digits_in_one_of_two_units(size):
    number, unit = memory(size).split(" ")
    assert read_back(number) * {"MiB": 2**20, "GiB": 2**30}[unit] == pytest.approx(size, rel=6e-3)
    assert (unit == "MiB") == (size < 1000 * 2**20)


@light
@given(st.floats(-1e6, 1e6))
def test_a_clock_is_within_half_a_second_and_never_minus_zero(seconds):
    shown = clock(seconds)
    hours, minutes, rest = (int(part) for part in shown.lstrip("-").split(":"))
    whole = (3600 * hours + 60 * minutes + rest) * (-1 if shown.startswith("-") else 1)
    assert abs(whole - seconds) <= 0.5 and minutes < 60 and rest < 60
    assert not (whole == 0 and shown.startswith("-"))


@light
@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_a_fixed_number_is_signed_where_it_is_a_difference_and_zero_has_no_minus(value, places):
    shown = fixed(value, places, signed=True)
    assert shown[0] in "+-" and float(shown.replace(",", "")) == pytest.approx(value, abs=0.5001 * 10.0**-places)
    assert not fixed(-(10.0**-9), places).startswith("-")
    assert fixed(value, places) == shown.removeprefix("+")


@light
@given(st.floats(1.0, 1e24))
def test_the_prefix_is_the_largest_that_leaves_one_or_more(flops):
    unit = flops_unit(flops)
    assert unit <= flops and all(flops < larger for larger in PREFIXES if larger > unit)
    number, word = flops_text(flops).split(" ")
    assert read_back(number) * unit == pytest.approx(flops, rel=6e-4) and word == f"{PREFIXES[unit]}FLOPs"


def test_the_order_of_the_prefixes_is_from_the_largest():
    assert list(PREFIXES) == sorted(PREFIXES, reverse=True), "the first that is not above is taken"


@light
@given(st.one_of(st.integers(-(10**8), 10**8), st.sampled_from([1e-5, 2e-4, 0.5, 1.5, 128.0])))
def test_a_level_is_the_number_of_the_recipe(value):
    assert float(level(value).replace(",", "")) == value


@pytest.mark.parametrize(("column", "shown"), [
    ("gain_nats", "+0.1250"), ("loss_difference", "+0.1250"), ("loss", "0.1250"), ("exact_match", "12.50"),
    ("exact_match_difference", "+12.50"), ("less_seconds_percent", "0.13"), ("gain_points", "+0.13"),
    ("seconds_ratio", "0.125"), ("step", "0.125"), ("exaflops_ratio", "0.125"), ("share", "12.50"),
])  # fmt: skip
def test_the_most_telling_word_of_a_column_decides(column, shown):
    assert cell(column, 0.125) == shown


@pytest.mark.parametrize("column", ["exact_match", "share", "random_level"])
def test_a_column_in_percent_says_so_and_one_of_points_says_that(column):
    assert heading(column).endswith("(%)") and cell(column, 1.0) == "100.00"
    assert heading(f"{column}_points").endswith("(points)")
    assert "%" not in heading(f"{column}_step")


def test_bounds_that_are_missing_or_alike_are_not_printed():
    rows = [
        {"loss": 1.0, "loss_low": 0.9, "loss_high": None}, {"loss": 1.0, "loss_low": 1.0, "loss_high": 1.00001},
        {"loss": None, "loss_low": None, "loss_high": None},
    ]  # fmt: skip
    assert printed(rows) == (["loss"], [["1.0000"], ["1.0000"], [NONE]])
    assert printed([]) == ([], [])


def test_levels_of_a_factor_are_printed_as_they_are_whatever_the_factor_is_called():
    heads, cells = printed([{"arm": "a", "match_share": 0.5, "loss": 0.5}], levels=("match_share",))
    assert (heads, cells) == (["arm", "match share", "loss"], [["a", "0.5", "0.5000"]])
