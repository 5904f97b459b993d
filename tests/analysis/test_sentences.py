"""Sentences of a verdict: their numbers are those of the finding, whichever way it goes and whatever is measured."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from winnow.analysis.equal_compute import AtEqualFlops
from winnow.analysis.quality import kind_of
from winnow.analysis.sentences import (
    at_equal_sentence,
    control_sentence,
    items_sentence,
    one_seed_sentence,
    verdict_sentence,
)
from winnow.findings import UNKNOWN, Comparison, Estimate, Saving
from winnow.metrics import METRICS

light = settings(max_examples=60, deadline=None)
LOSS, MATCH = METRICS["loss"], METRICS["exact_match"]
NUMBER = r"(-?[\d,]+(?:\.\d+)?)"
INTERVAL = re.compile(rf"(better|worse) by {NUMBER} (\w+)(?:,| \()(?: )?95 % interval {NUMBER} to {NUMBER}")
halves = st.floats(0.001, 0.3)


def compared(mean, half, metric=LOSS, num=3, **others):
    gain = Estimate(mean, None if half is None else mean - half, None if half is None else mean + half, num)
    return Comparison(
        "near", "full", metric.name, "micro", "best", kind_of(gain), gain, facts=metric, **{"needed_seeds": 9} | others
    )


@light
@given(st.sampled_from([LOSS, MATCH]), st.floats(-0.5, 0.5), halves)
def test_size_and_interval_are_the_finding_turned_to_the_way_that_is_said(metric, mean, half):
    assume(abs(mean) > 1e-3)
    found = compared(mean, half, metric)
    said, size, unit, low, high = INTERVAL.search(verdict_sentence(found, None, 0.95)).groups()
    low, high, size = (float(each.replace(",", "")) for each in (low, high, size))
    assert said == ("better" if mean > 0 else "worse") and unit == metric.unit
    near = 0.51 * 10.0**-metric.places
    assert size == pytest.approx(metric.scale * abs(mean), abs=near)
    assert low <= size + near and size <= high + near
    assert (low + high) / 2 == pytest.approx(size, abs=2 * near)
    assert high - low == pytest.approx(2 * metric.scale * half, abs=2 * near)


@light
@given(st.floats(-0.5, 0.5), halves)
def test_only_an_interval_beside_0_is_a_claim(mean, half):
    assume(abs(abs(mean) - half) > 1e-6)
    sentence, is_shown = verdict_sentence(compared(mean, half), None, 0.95), abs(mean) > half
    assert ("no difference shown at 3 seeds" in sentence) == (not is_shown)
    assert ("about 9 would be needed" in sentence) == (not is_shown)
    control = control_sentence(compared(mean, half), what="random rows", confidence=0.95)
    opening = "It is not shown to beat" if not is_shown else "It beats" if mean > 0 else "It is worse than"
    assert control.startswith(f"{opening} full (random rows): ")


@pytest.mark.parametrize(("found", "said"), [
    (compared(0.1, None, num=1), "near against full, loss (micro, best checkpoint, 1 seed): one seed: no interval; "
     "nothing is claimed (observed: better by 0.1000 nats)."),
    (compared(0.0, 0.1), "loss (micro, best checkpoint, 3 seeds): no difference shown at 3 seeds "
     "(different by 0.0000 nats, 95 % interval -0.1000 to 0.1000); about 9 would be needed"),
    (compared(0.01, 0.1, needed_seeds=None), "more than 1,000 seeds would be needed to show one of this size."),
    (compared(0.2, 0.1, num_comparisons=4), "interval 0.1000 to 0.3000, corrected for 4 comparisons)."),
    (compared(0.2, 0.1, UNKNOWN), "better by 0.2 (95 % interval 0.1 to 0.3)."),
    (Comparison("near", "full", "loss", "micro", "best", "too few seeds"), "no seed of both has finished yet;"),
    (Comparison("near", "full", "loss", "", "", "not affordable", reason="too dear"), "near: too dear."),
])  # fmt: skip
def test_what_is_not_there_is_said(found, said):
    assert said in verdict_sentence(found, None, 0.95)


def estimate(mean, half=0.05):
    return Estimate(mean, mean - half, mean + half, 3)


def saving(gross, net, **others):
    return Saving("flops", "full", estimate(gross), estimate(net), 0, 3, None, **others)


@pytest.mark.parametrize(("kept", "mean", "said"), [
    (saving(0.4, 0.3), 0.2, "selection saved 40 % ± 5 of the FLOPs to full's best validation loss (net of selection "
     "30 % ± 5)"),
    (saving(0.4, 0.02), 0.2, "a saving is not shown: observed 40 % ± 5 of the FLOPs"),
    (saving(0.4, -0.1), 0.2, "selection did not pay: full's best validation loss took 40 % less of the FLOPs before "
     "selection, 10 % more with it"),
    (saving(-0.2, -0.3), 0.2, "took 20 % more of the FLOPs before selection, 30 % more with it"),
    (saving(-0.2, -0.2, includes_selection=True), 0.2, "best validation loss took 20 % more of the FLOPs."),
    (saving(0.4, 0.4, includes_selection=True), 0.2, "saved 40 % ± 5 of the FLOPs to full's best validation loss."),
    (saving(0.4, 0.3, is_of_selection=False), 0.2, "; near saved 40 %"),
    (saving(0.4, 0.3), -0.2, "no saving: full's best validation loss was reached with 40 % less of the FLOPs, "
     "but it is worse"),
    (saving(0.4, 0.3, level="target_validation loss"), 0.2, "to full's best target validation loss"),
    (Saving("seconds", "full", None, None, 0, 3, None), 0.2, "no saving can be stated, since full's best validation"),
])  # fmt: skip
def test_a_saving_is_claimed_where_it_is_shown_and_of_what_saved(kept, mean, said):
    assert said in verdict_sentence(compared(mean, 0.1), kept, 0.95)


def test_budgets_that_differ_leave_no_saving_to_state():
    sentence = verdict_sentence(compared(0.2, 0.1), saving(0.4, 0.3), 0.95, unequal="1 epoch and 2")
    assert (
        sentence.endswith("; the budgets differ (1 epoch and 2), so no saving is stated.") and "saved" not in sentence
    )


@pytest.mark.parametrize(("wider", "is_lost"), [((0.05, 0.35), False), ((-0.01, 0.41), True), ((-0.3, -0.1), False)])
def test_what_is_not_shown_for_other_items_is_said_so(wider, is_lost):
    over = Estimate(sum(wider) / 2, *wider, 3)
    sentence = items_sentence(compared(over.mean, 0.04, over_items=over, num_items=1200), 0.95)
    assert sentence.startswith(
        "The interval covers other seeds on these 1,200 items; for other items of the same kind, too"
    )
    assert ("not shown for other items" in sentence) == is_lost
    assert items_sentence(compared(0.2, 0.1, num_items=5), 0.95) == "The interval covers other seeds on these 5 items."


def test_one_seed_speaks_of_items_alone():
    shown = compared(0.2, None, num=1, over_items=Estimate(0.2, 0.1, 0.3, 1), num_items=1200)
    assert one_seed_sentence(shown, 0.9).startswith(
        "Over 1,200 items in pairs: better by 0.2000 nats (90 % interval 0.1"
    )
    open_ = compared(-0.1, None, num=1, over_items=Estimate(-0.1, -0.3, 0.1, 1), num_items=12)
    assert "no difference is shown (worse by 0.1000 nats, 90 % interval -0.1000 to 0.3000)" in one_seed_sentence(
        open_, 0.9
    )
    assert one_seed_sentence(compared(0.2, None, num=1, num_items=1), 0.95) == (
        "There are too few items (1) for an interval over them."
    )


@pytest.mark.parametrize(("found", "said"), [
    (None, ()), (AtEqualFlops(2e15, None), "there is nothing to compare: a selection alone takes that much."),
    (AtEqualFlops(2e15, compared(-0.2, 0.1)), "micro loss on the way, best checkpoint until then: worse by 0.2"),
])  # fmt: skip
def test_equal_flops_are_said_in_the_unit_of_the_study(found, said):
    sentences = at_equal_sentence(found, 0.95, 1e18)
    assert sentences == () if found is None else said in sentences[0]
    assert all(each.startswith("At equal FLOPs (0.002 exaFLOPs each, selection included)") for each in sentences)
