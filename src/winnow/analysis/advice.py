"""The verdict's first line, in plain words: which of two arms to use, or that none of them is shown to be the one.

    first_line(comparison, Situation(baseline="the full pool", cost_ratio=2.3))
    # "Use the full pool: herding_0.25 is worse, and costs more."

It claims no more than the comparison does: where a difference is not shown, nothing is said to be equal; where seeds or
arms are missing, nothing is advised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from winnow.analysis.equal_compute import UNEQUAL
from winnow.findings import Comparison, Kind

Cost = Literal["less", "as much", "more"]
FINDINGS: dict[Kind, str] = {
    "better": "is better", "worse": "is worse", "no difference shown": "is not shown to be better or worse",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """What stands beside a comparison and decides what follows from it."""

    baseline: str
    """What the baseline is called in a sentence."""
    cost_ratio: float | None = None
    """What the arm's runs cost over the baseline's, selection included, on the declared axis; None where unknown."""
    at_equal: Kind | None = None
    """The finding at equal FLOPs, where the arms had not the same; None where they had, or it is not known."""
    so_far: str = ""
    """What is missing of the study yet: "so far, 2 of 3 seeds"; empty where all is there."""
    unbeaten: tuple[str, ...] = ()
    """Controls that the arm is not shown to beat."""
    missing: tuple[str, ...] = ()
    """Controls, in words, that there is no run of to compare with."""


def first_line(comparison: Comparison, situation: Situation) -> str:
    """One or two sentences without a number of their own, but for seeds that are missing."""
    if comparison.kind == "not affordable":
        return f"{comparison.arm} cannot be compared: the budget does not pay for its selection."
    if comparison.kind == "too few seeds":
        return _too_few(comparison, situation)
    sentence = f"{_answer(comparison, situation)}{_at_equal_flops(comparison, situation)}."
    if situation.so_far:
        return f"{_capital(situation.so_far)}: {sentence}{_controls(comparison, situation)}"
    return f"{sentence}{_controls(comparison, situation)}"


def missing_sentence(missing: Sequence[str]) -> str:
    """Which controls there are no runs of."""
    return f"Missing beside it: {' and '.join(missing)}."


def relation(ratio: float | None) -> Cost | None:
    """What a ratio of costs says; None where there is none."""
    if ratio is None:
        return None
    if abs(ratio - 1) <= UNEQUAL:
        return "as much"
    return "less" if ratio < 1 else "more"


def winner(comparison: Comparison, situation: Situation) -> Literal["arm", "baseline"] | None:
    """Which of the two to use; None where the finding, the cost or what is missing leaves that open.

    The arm: better, and either not dearer or better at equal FLOPs too, and shown to beat every control. The baseline:
    its arm is worse, and not cheaper, or worse at equal FLOPs too; or not shown to differ, and dearer.
    """
    kind, cost = comparison.kind, relation(situation.cost_ratio)
    if situation.so_far:
        return None
    if kind == "better" and (cost != "more" or situation.at_equal == "better"):
        return None if situation.unbeaten else "arm"
    if kind == "worse" and (cost != "less" or situation.at_equal == "worse"):
        return "baseline"
    return "baseline" if kind == "no difference shown" and cost == "more" and situation.at_equal != "better" else None


def _answer(comparison: Comparison, situation: Situation) -> str:
    finding, used = FINDINGS[comparison.kind], winner(comparison, situation)
    cost = _cost(comparison, situation)
    if used == "arm":
        return f"Use {comparison.arm}: it {finding} than {situation.baseline}{cost}"
    if used == "baseline":
        return f"Use {situation.baseline}: {comparison.arm} {finding}{cost}"
    return f"{comparison.arm} {finding} than {situation.baseline}{cost}"


def _cost(comparison: Comparison, situation: Situation) -> str:
    cost = relation(situation.cost_ratio)
    if cost is None:
        return ""
    is_a_trade = (comparison.kind, cost) in (("better", "more"), ("worse", "less"))
    return f", {'but' if is_a_trade else 'and'} costs {cost}"


def _at_equal_flops(comparison: Comparison, situation: Situation) -> str:
    """What becomes of the finding at equal FLOPs; one that too few seeds leave open adds nothing."""
    kind = situation.at_equal
    if kind is None or kind not in FINDINGS:
        return ""
    if kind == "no difference shown":
        return "; at equal FLOPs no difference is shown" + (" either" if comparison.kind == kind else "")
    return f"; at equal FLOPs it {FINDINGS[kind]}" + (", too" if comparison.kind == kind else "")


def _controls(comparison: Comparison, situation: Situation) -> str:
    """Of a gain: which controls it may be owed to."""
    if comparison.kind != "better":
        return ""
    unbeaten = f" It is not shown to beat {' or '.join(situation.unbeaten)}." if situation.unbeaten else ""
    return unbeaten + (f" {missing_sentence(situation.missing)}" if situation.missing else "")


def _too_few(comparison: Comparison, situation: Situation) -> str:
    if situation.so_far:
        return f"{_capital(situation.so_far)}: nothing is claimed yet."
    if comparison.gain is None:
        return f"Nothing is claimed: {comparison.arm} and {situation.baseline} have no seed in common."
    return f"Nothing is claimed: one seed cannot tell {comparison.arm} from {situation.baseline}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
