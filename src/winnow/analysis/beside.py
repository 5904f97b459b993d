"""What stands beside the declared comparison: compute, the boring arms that a clever one must beat, what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from winnow.analysis.arms import FULL, RANDOM, baseline_name, declared_facts, matched_arms, random_arm
from winnow.analysis.equal_compute import AtEqualFlops, Compute, at_equal_flops, compute_of
from winnow.analysis.quality import compare
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison

RANDOM_ROWS = "random rows, same fraction"
MATCHED = "control matched to its selection"
HELD_CONSTANT = "its static control: as much of each source, the same share at every point"


@dataclass(frozen=True, slots=True)
class Beside:
    """The compute of the two arms, and how they compare where it is the same."""

    compute: Compute | None = None
    at_equal: AtEqualFlops | None = None
    """None where they had the same FLOPs anyway."""


def beside_of(study: Study, primary: Comparison) -> Beside:
    """Of the arms of a comparison."""
    compute = compute_of(study, primary.arm, primary.baseline)
    if compute is None or compute.is_equal:
        return Beside(compute)
    return Beside(compute, at_equal_flops(study, primary.arm, primary.baseline))


def controls_of(study: Study, name: str | None, arms: tuple[ArmFacts, ...]) -> list[tuple[Comparison, str]]:
    """The arm against each boring one that has finished, corrected for their number, and what that one is."""
    arm = next((arm for arm in arms if arm.name == name and arm.seeds), None)
    if arm is None:
        return []
    asked, boring = study.recipe.study, random_arm(arm, arms) if arm.selector != FULL else None
    others = {boring: RANDOM_ROWS} if boring else {}
    others |= dict.fromkeys(matched_arms(arm, arms), MATCHED if arm.selector != FULL else HELD_CONSTANT)
    others.pop(baseline_name(study), None)
    return [
        (
            compare(study, arm.name, other, question=asked.primary, confidence=asked.confidence,
                    num_comparisons=len(others)),
            what,
        )
        for other, what in others.items()
    ]  # fmt: skip


def missing_controls(study: Study, name: str | None, arms: Sequence[ArmFacts]) -> tuple[str, ...]:
    """Controls of a selection that have no finished run, in words: those declared, and random rows in any case.

    None where the two arms have one selection, or the arm is a control itself.
    """
    arm = next((arm for arm in arms if arm.name == name and arm.seeds), None)
    theirs = next((arm for arm in arms if arm.name == baseline_name(study)), None)
    if arm is None or arm.is_control or arm.selector == FULL or (theirs and _selects_alike(arm, theirs)):
        return ()
    finished = {other.name for other in arms if other.seeds}
    declared = [declared_facts(each, facts) for each, facts in study.settings.get("arms", {}).items()]
    waiting = [other for other in declared if other.name not in finished]
    matched = [f"{other.name} ({MATCHED})" for other in waiting if other.control_of == arm.name]
    if random_arm(arm, tuple(arms)) is not None:
        return tuple(matched)
    planned = (other.name for other in waiting if other.selector == RANDOM and other.fraction == arm.fraction)
    return next((f"{each} ({RANDOM_ROWS})" for each in planned), "random rows of the same fraction"), *matched


def _selects_alike(one: ArmFacts, other: ArmFacts) -> bool:
    return (one.selector, one.fraction, one.selection_factor) == (
        other.selector, other.fraction, other.selection_factor
    )  # fmt: skip


def so_far_of(study: Study, name: str | None, baseline: str) -> str:
    """How many of the planned seeds both arms have, where that is not all: "so far, 2 of 3 seeds"."""
    planned = set(study.recipe.study.seeds)
    both = planned & study.runs_of(baseline).keys() & (study.runs_of(name).keys() if name else set())
    refused = study.settings.get("not_affordable", {})
    if both == planned or name in refused or baseline in refused:
        return ""
    return f"so far, {len(both)} of {len(planned)} seed{'s' * (len(planned) != 1)}"
