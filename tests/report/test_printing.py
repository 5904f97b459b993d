import pytest

from winnow.text.printing import cell, clock, exaflops, fixed, flops_text, flops_unit, heading, percent, printed


def test_fixed_formats():
    assert fixed(0.125, 2) == "0.13"
    assert fixed(-0.004, 2) == "0.00"
    assert fixed(1234.5, 1, signed=True) == "+1,234.5"
    assert percent(0.0445) == "4.45 %"
    assert exaflops(5.709) == "5.709" and exaflops(4.1) == "4.100"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "00:00:00"), (59.5, "00:01:00"), (36905, "10:15:05"), (-3, "-00:00:03")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(("column", "value", "shown"), [
    ("loss", 5.888, "5.8880"), ("exact_match", 0.0053, "0.53"), ("exact_match_at_best_loss", 0.5, "50.00"),
    ("less_dollars_percent", 96.949, "96.95"), ("seconds_to_best", 665.2, "00:11:05"), ("best_loss_step", 300, "300"),
    ("visits_ratio", 0.83336, "0.833"), ("fraction", 0.05, "0.05"), ("examples", 12345, "12,345"),
    ("arm", "full", "full"),
    ("loss_difference", -0.2356, "-0.2356"), ("loss", None, "–"), ("delayed", True, "yes"),
    ("bytes", 3253104, "3,253,104"), ("to_best", 4e14, "4e+14"), ("to_best", 400000.0, "400,000"),
])  # fmt: skip
def test_a_cell_is_printed_by_its_column(column, value, shown):
    assert cell(column, value) == shown


@pytest.mark.parametrize(("flops", "unit", "shown"), [
    (6.646e13, None, "66.46 teraFLOPs"), (6.646e13, 1e15, "0.06646 petaFLOPs"), (5.709e18, None, "5.709 exaFLOPs"),
    (12.0, None, "12 FLOPs"), (0.0, None, "0 FLOPs"),
])  # fmt: skip
def test_flops_have_the_prefix_of_their_size_or_of_what_they_stand_beside(flops, unit, shown):
    assert flops_text(flops, unit) == shown


def test_a_table_says_flops_in_its_own_unit():
    assert heading("selection_exaflops", 1e12) == "selection teraFLOPs" and heading("exaflops") == "exaFLOPs"
    assert printed([{"exaflops": 6.646e-5}], flops_unit=1e12) == (["teraFLOPs"], [["66.46"]])
    assert flops_unit(9.99e14) == 1e12 and flops_unit(1e15) == 1e15


def test_bounds_are_folded():
    headings, cells = printed([{"arm": "a", "loss": 1.0, "loss_low": 0.9, "loss_high": 1.1}])
    assert (headings, cells) == (["arm", "loss"], [["a", "1.0000 [0.9000, 1.1000]"]])
    assert heading("exact_match") == "exact match (%)" and heading("seconds_to_best") == "time to best"
