import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.sandbox.numbers import same_number, to_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("72", 72), ("72.00", 72.0), ("$1,080.50", 1080.5), (" -3 ", -3), ("−3", -3), ("1e3", 1000.0), (".5", 0.5),
        ("5.", 5.0), ("€12", 12), ("1,000,000", 1_000_000), ("- $4", -4),
    ],
)  # fmt: skip
def test_what_spells_a_number(text, number):
    assert to_number(text) == number


@pytest.mark.parametrize(
    "value",
    ["", "-", ".", "$", "1,08", "12 apples", "1/2", "50%", "nan", "inf", "1e999", "9" * 5000, "$$3", "0x10", "x"]
    + [True, False, None, [1], 2j, Decimal(1), math.nan, math.inf, object()],
)
def test_what_spells_none(value):
    assert to_number(value) is None


@pytest.mark.parametrize(
    ("value", "reference", "same"),
    [
        (72.0, "$72.00", True), ("1,080", 1080, True), (1_000_000, 1_000_000.9, True), (1_000_000, 1_000_002, False),
        (0.1 + 0.2 - 0.3, 0, True), (1e-6, 0, False), (1e-7, 2e-7, False), (10**400, 10**400 + 1, True),
        (10**400, 10**401, False), ("x", "x", False), (True, 1, False), (-3, 3, False),
    ],
)  # fmt: skip
def test_equality_within_a_millionth(value, reference, same):
    assert same_number(value, reference) is same


@given(st.integers(-(10**12), 10**12))
def test_commas_and_zeros_change_nothing(number):
    assert same_number(f"{number:,}.00", number)
    assert same_number(f"{number:,}", str(number))
