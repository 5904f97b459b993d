"""The first line of a verdict: all that it can say, and that it never says more than was found."""

import re
from dataclasses import replace
from itertools import product

import pytest
from study_factory import write_study
from varied_factory import SMALL, write_varied

from winnow.analysis.advice import Situation, first_line, relation, winner
from winnow.analysis.arms import in_words
from winnow.analysis.equal_compute import Compute
from winnow.analysis.sentences import compute_sentence, verdict_sentence
from winnow.analysis.study_folder import load
from winnow.analysis.verdict import judge
from winnow.findings import ArmFacts, Comparison, Estimate
from winnow.records import Cost

KINDS = "better", "worse", "no difference shown"
RATIOS = {None: None, "less": 0.5, "as much": 1.01, "more": 2.3}
PLAIN = Situation("the full pool")


def compared(kind):
    gain = None if kind == "not affordable" else Estimate(0.1, None, None, 1)
    return Comparison("herding", "full", "loss", "micro", "best", kind, gain)


@pytest.mark.parametrize(("kind", "cost", "line"), [
    ("better", "less", "Use herding: it is better than the full pool, and costs less."),
    ("better", "as much", "Use herding: it is better than the full pool, and costs as much."),
    ("better", "more", "herding is better than the full pool, but costs more."),
    ("better", None, "Use herding: it is better than the full pool."),
    ("worse", "less", "herding is worse than the full pool, but costs less."),
    ("worse", "as much", "Use the full pool: herding is worse, and costs as much."),
    ("worse", "more", "Use the full pool: herding is worse, and costs more."),
    ("worse", None, "Use the full pool: herding is worse."),
    ("no difference shown", "less",
     "herding is not shown to be better or worse than the full pool, and costs less."),
    ("no difference shown", "as much",
     "herding is not shown to be better or worse than the full pool, and costs as much."),
    ("no difference shown", "more",
     "Use the full pool: herding is not shown to be better or worse, and costs more."),
    ("no difference shown", None, "herding is not shown to be better or worse than the full pool."),
    *[("too few seeds", cost, "Nothing is claimed: one seed cannot tell herding from the full pool.")
      for cost in RATIOS],
    *[("not affordable", cost, "herding cannot be compared: the budget does not pay for its selection.")
      for cost in RATIOS],
])  # fmt: skip
def test_every_verdict_and_cost_has_its_words(kind, cost, line):
    assert relation(RATIOS[cost]) == cost
    assert first_line(compared(kind), replace(PLAIN, cost_ratio=RATIOS[cost])) == line


SITUATIONS = [
    Situation("the full pool", ratio, at_equal, so_far, unbeaten, missing)
    for ratio, at_equal, so_far, unbeaten, missing in product(
        RATIOS.values(), (None, *KINDS, "too few seeds"), ("", "so far, 2 of 3 seeds"), ((), ("random",)),
        ((), ("random rows",)),
    )
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_says_more_than_was_found(kind):
    """Each claim in the words is checked against what the situation holds: 160 situations for each verdict."""
    for situation in SITUATIONS:
        line, used = first_line(compared(kind), situation), winner(compared(kind), situation)
        head, _, equal = line.partition("; at equal FLOPs ")
        assert ("is better" in head) == (kind == "better") and ("is worse" in head) == (kind == "worse"), line
        assert ("not shown to be better or worse" in head) == (kind == "no difference shown"), line
        assert re.findall(r"costs (less|as much|more)", line) == [relation(situation.cost_ratio)] * (
            situation.cost_ratio is not None
        )
        said = {"better": "it is better", "worse": "it is worse", "no difference shown": "no difference is shown"}
        assert equal.startswith(said.get(situation.at_equal, "")) and bool(equal) == (situation.at_equal in said), line
        assert (", too" in equal or "either" in equal) == (situation.at_equal == kind), line
        assert line.startswith("So far, 2 of 3 seeds: ") == bool(situation.so_far)
        assert ("Use " in line) == (used is not None), line
        assert ("beat random." in line) == (kind == "better" and bool(situation.unbeaten))


def test_what_is_advised_is_shown_and_costs_no_more_unless_equal_flops_agree():
    for kind, situation in product(KINDS, SITUATIONS):
        used, ratio = winner(compared(kind), situation), situation.cost_ratio or 1.0
        if used == "arm":
            assert kind == "better" and not situation.unbeaten and not situation.so_far
            assert ratio <= 1.02 or situation.at_equal == "better"
        if used == "baseline":
            assert kind != "better" and not situation.so_far
            assert ratio >= 0.98 or (kind, situation.at_equal) == ("worse", "worse")


@pytest.mark.parametrize(("ratio", "word"), [
    (0.979, "less"), (0.981, "as much"), (1.019, "as much"), (1.021, "more"), (0.0, "less"), (None, None),
])  # fmt: skip
def test_two_percent_are_the_same_cost(ratio, word):
    assert relation(ratio) == word


@pytest.mark.parametrize(("factors", "words"), [
    ({}, "the full pool"), ({"selection": "full"}, "the full pool"), ({"adapter": "full"}, "full"),
])  # fmt: skip
def test_full_is_the_full_pool_unless_it_may_be_full_training(factors, words):
    assert in_words("full", [ArmFacts("full", "full", 1.0, None, False, (0,), factors=factors)]) == words


def verdict(folder, **planted):
    return judge(load(write_study(folder / "s", **planted)))


def test_unequal_compute_stands_in_the_sentence_and_the_comparison_at_equal_flops_beside_it(tmp_path):
    """The full pool's steps take 4e12 FLOPs and the others' 3.2e12; herding's features 6.01e13 of 1.6e15."""
    found = verdict(tmp_path)
    assert (
        "herding_0.25 took 0.80 times as many training FLOPs as full, 0.84 times with the selection" in found.sentence
    )
    assert found.advice.startswith("Use herding_0.25: it is better than the full pool, and costs less; at equal FLOPs")
    assert re.match(
        r"At equal FLOPs \(1\.34 petaFLOPs each, selection included\), micro loss on the way, best checkpoint until "
        r"then: better by 0\.04\d\d nats \(95 % interval 0\.0", found.notes[0])  # fmt: skip


def test_equal_compute_is_no_sentence(tmp_path):
    found = judge(load(write_varied(tmp_path / "s", SMALL)))
    assert "Compute was not equal" not in found.sentence and "equal FLOPs" not in " ".join((found.advice, *found.notes))
    assert found.advice == "Use r16_epochs2: it is better than full_epochs1, and costs as much."


def test_a_selection_dearer_than_a_whole_run_leaves_nothing_to_compare(tmp_path):
    found = verdict(tmp_path, features=Cost(flops=2e15, seconds=500))
    assert found.advice == "herding_0.25 is better than the full pool, but costs more."
    assert "took 0.80 times as many training FLOPs as full, 2.05 times with the selection" in found.sentence
    assert found.notes[0].endswith("there is nothing to compare: a selection alone takes that much.")


@pytest.mark.parametrize(("training", "whole", "said"), [
    (1.01, 1.5, "herding took as many training FLOPs as full, 1.50 times with the selection."),
    (1.29, 1.29, "herding took 1.29 times as many training FLOPs as full."), (1.0, 1.0, None),
])  # fmt: skip
def test_what_is_equal_is_said_to_be(training, whole, said):
    found = compute_sentence(compared("better"), Compute(training, whole, None))
    assert found == ("" if said is None else f" Compute was not equal: {said}")


def test_what_random_rows_do_as_well_is_not_advised(tmp_path):
    effects = {"full": 0.0, "herding_0.25": 0.05, "random_0.25": 0.1}
    found = verdict(tmp_path, effects=effects)
    assert found.kind == "better"
    assert found.advice.startswith("herding_0.25 is better than the full pool")
    assert found.advice.endswith("It is not shown to beat random_0.25.")


def test_a_control_that_is_missing_is_named(tmp_path):
    found = verdict(tmp_path / "a", effects={"full": 0.0, "herding_0.25": 0.05})
    assert found.advice.endswith("Missing beside it: random rows of the same fraction.")
    found = verdict(tmp_path / "b", effects={"full": 0.0, "herding_0.25": -0.05})
    assert "Missing beside it: random rows of the same fraction." in found.notes


def test_seeds_that_are_missing_are_counted_and_nothing_is_advised(tmp_path):
    found = judge(load(write_varied(tmp_path / "s", SMALL, skip=[("r16_epochs2", 1)])))
    assert found.so_far == "so far, 2 of 3 seeds"
    assert found.advice.startswith("So far, 2 of 3 seeds: r16_epochs2 is ") and "Use " not in found.advice
    empty = verdict(tmp_path / "empty", effects={})
    assert (empty.so_far, empty.advice) == ("so far, 0 of 3 seeds", "So far, 0 of 3 seeds: nothing is claimed yet.")


def test_less_cost_at_a_worse_quality_is_no_saving(tmp_path):
    """The evaluation sets say worse, validation says that the level was reached: no saving is claimed."""
    found = verdict(tmp_path, primary={"aggregate": "gsm_like"})
    assert "selection saved" in found.sentence
    worse = replace(found.primary, kind="worse", gain=Estimate(-0.1, -0.2, -0.05, 3))
    said = verdict_sentence(worse, found.saving, 0.95)
    assert "selection saved" not in said and "no saving: full's best validation loss was reached with" in said
