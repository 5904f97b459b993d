"""Which arms a study has, and the part each plays: candidate, control, baseline."""

from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts

FULL = "full"
RANDOM = "random"
BORING_SELECTORS = (FULL, RANDOM, "equal_shares", "source_shares")
"""Selectors that look at no example but its source; every study runs them beside the clever ones."""


def arm_facts(study: Study) -> tuple[ArmFacts, ...]:
    """All arms with a finished run or selection, then those that the budget could not pay for."""
    refused: dict[str, str] = study.settings.get("not_affordable", {})
    names = dict.fromkeys([*study.arms, *(arm for arm, _ in study.selections), *refused])
    return tuple(_facts(study, name, refused.get(name, "")) for name in names)


def _facts(study: Study, name: str, reason: str) -> ArmFacts:
    """From the arm's selection; of one that was never selected, from what the study folder says of its arms."""
    selection = study.selection_of(name)
    declared = study.settings.get("arms", {}).get(name, {})
    selector = selection.selector if selection else declared.get("selector", name)
    reference = _reference(study, name) or declared.get("control_of")
    return ArmFacts(
        name=name,
        selector=selector,
        fraction=1.0 if name == FULL else selection.fraction if selection else None,
        control_of=reference,
        is_control=reference is not None or selector in BORING_SELECTORS,
        seeds=tuple(sorted(study.runs_of(name))),
        not_affordable=reason,
    )


def _reference(study: Study, name: str) -> str | None:
    """The arm whose selection the arm's own takes as its reference."""
    for stage in study.stages.values():
        if stage.artifact.kind == "select" and stage.arm == name and "reference" in stage.inputs_by_name:
            below = study.stages.get(stage.inputs_by_name["reference"])
            return below.arm if below else None
    return None


def primary_arm(study: Study, arms: tuple[ArmFacts, ...]) -> str | None:
    """The arm of the declared comparison; where the recipe names none, the first that is neither full nor a control."""
    declared = study.recipe.study.primary.arm
    if declared is not None:
        return declared
    baseline = study.recipe.study.primary.baseline
    others = [arm for arm in arms if arm.name != baseline]
    chosen = next((arm for arm in others if not arm.is_control), None) or next(iter(others), None)
    return chosen.name if chosen else None


def savings_baseline(study: Study) -> str:
    """What savings and ratios refer to: the full pool where it was run, else the primary comparison's baseline."""
    return FULL if FULL in study.arms else study.recipe.study.primary.baseline


def random_arm(arm: ArmFacts, arms: tuple[ArmFacts, ...]) -> str | None:
    """The random arm of the same fraction."""
    return next(
        (
            other.name
            for other in arms
            if other.selector == RANDOM and other.fraction == arm.fraction and other.seeds and other.name != arm.name
        ),
        None,
    )


def matched_arms(arm: ArmFacts, arms: tuple[ArmFacts, ...]) -> list[str]:
    """The controls that took this arm's selection as their reference."""
    return [other.name for other in arms if other.control_of == arm.name and other.seeds]
