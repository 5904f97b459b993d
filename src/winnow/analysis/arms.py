"""Which arms a study has, and the part each plays: candidate, control, baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts
from winnow.recipe import BudgetRecipe
from winnow.records import BORING_SELECTORS, SELECTION

FULL = "full"
RANDOM = "random"


def arm_facts(study: Study) -> tuple[ArmFacts, ...]:
    """All arms with a finished run or selection, then those that the budget could not pay for."""
    refused: dict[str, str] = study.settings.get("not_affordable", {})
    declared: dict[str, Any] = study.settings.get("arms", {})
    names = dict.fromkeys([*study.arms, *_selected(study, declared), *refused])
    ordered = [name for name in declared if name in names] + [name for name in names if name not in declared]
    return tuple(_facts(study, name, refused.get(name, "")) for name in (ordered if _varies(study) else names))


def _varies(study: Study) -> bool:
    """Whether arms differ in more than their selection."""
    return bool(study.recipe.vary)


def _selected(study: Study, declared: Mapping[str, Any]) -> list[str]:
    """The arms whose selection is there."""
    if not _varies(study):
        return [arm for arm, _ in study.selections]
    there = {name for name, _ in study.selections}
    return [name for name, facts in declared.items() if facts.get("selection") in there]


def declared_facts(name: str, declared: Mapping[str, Any], seeds: Sequence[int] = (), reason: str = "") -> ArmFacts:
    """What the study folder says of an arm, whether it has a selection or a run yet or not."""
    selector, reference = declared.get("selector", name), declared.get("control_of")
    return ArmFacts(
        name=name, selector=selector, fraction=declared.get("fraction"), control_of=reference,
        is_control=declared.get("is_control", reference is not None or selector in BORING_SELECTORS),
        seeds=tuple(seeds), not_affordable=reason, factors=declared.get("factors", {}),
        settings=declared.get("settings", {}),
    )  # fmt: skip


def _facts(study: Study, name: str, reason: str) -> ArmFacts:
    """From what the study folder says of the arm and from its selection."""
    declared = declared_facts(name, study.settings.get("arms", {}).get(name, {}), sorted(study.runs_of(name)), reason)
    selection, runs = study.selection_of(name), study.runs_of(name)
    rates = dict.fromkeys(run.learning_rate for run in runs.values() if run.learning_rate is not None)
    declared = replace(
        declared, budget=_budget(study, declared), training=next((run.training for run in runs.values()), {}),
        learning_rates=tuple(rates),
    )  # fmt: skip
    if selection is None:
        return replace(declared, fraction=1.0 if declared.selector == FULL else None)
    fraction = 1.0 if selection.selector == FULL else selection.fraction
    reference = _reference(study, name) or declared.control_of
    is_control = (
        declared.is_control
        or reference is not None
        or (not declared.factors and not _varies(study) and selection.selector in BORING_SELECTORS)
    )
    return replace(
        declared, selector=selection.selector, fraction=fraction, control_of=reference, is_control=is_control
    )


def _budget(study: Study, arm: ArmFacts) -> BudgetRecipe:
    own = {key.removeprefix("budget."): value for key, value in arm.settings.items() if key.startswith("budget.")}
    return BudgetRecipe.model_validate(own) if own else study.recipe.budget


def has_equal_budget(arm: ArmFacts, other: ArmFacts) -> bool:
    """Whether both may spend the same."""
    return arm.budget == other.budget


def peer(arm: ArmFacts, baseline: ArmFacts, arms: Sequence[ArmFacts]) -> ArmFacts | None:
    """The arm to compare costs with: the baseline, or what it is at this arm's budget; None where there is none."""
    if has_equal_budget(arm, baseline):
        return baseline
    changed = {factor for factor, level in baseline.factors.items() if arm.factors.get(factor) != level}
    for factor in changed:
        found = like(baseline, arms, **{factor: arm.factors[factor]})
        if found is not None and has_equal_budget(arm, found) and _differ_in_budget_alone(found, baseline):
            return found
    return None


def _differ_in_budget_alone(one: ArmFacts, other: ArmFacts) -> bool:
    rest = ({k: v for k, v in each.settings.items() if not k.startswith("budget.")} for each in (one, other))
    first, second = rest
    return first == second and one.selector == other.selector and one.fraction == other.fraction


def differ_in_selection_alone(one: ArmFacts, other: ArmFacts) -> bool:
    """Whether only their rows set two arms apart."""
    return one.settings == other.settings


def _reference(study: Study, name: str) -> str | None:
    """The arm whose selection the arm's own takes as its reference, in a folder that does not say so itself."""
    for stage in study.stages.values():
        if stage.artifact.kind == "select" and stage.arm == name and "reference" in stage.inputs_by_name:
            below = study.stages.get(stage.inputs_by_name["reference"])
            return below.arm if below else None
    return None


def baseline_name(study: Study) -> str:
    """The arm that the declared comparison compares with."""
    found: str = study.settings.get("baseline", study.recipe.study.primary.baseline)
    return found


def in_words(name: str, arms: Sequence[ArmFacts]) -> str:
    """What an arm is called in a sentence: the full pool by what it is, where arms differ in their rows alone."""
    arm = next((arm for arm in arms if arm.name == name), None)
    is_full = arm is not None and arm.selector == FULL and not _besides_selection(arm)
    return "the full pool" if is_full else name


def like(arm: ArmFacts, arms: Sequence[ArmFacts], **others: str) -> ArmFacts | None:
    """The arm that has these levels and is `arm` in all other factors; None where there is none."""
    wanted = {**arm.factors, **others}
    return next((other for other in arms if dict(other.factors) == wanted), None)


def varied(arms: Sequence[ArmFacts]) -> dict[str, list[str]]:
    """Factor -> its levels, of factors in which arms differ."""
    levels: dict[str, dict[str, None]] = {}
    for arm in arms:
        for factor, level in arm.factors.items():
            levels.setdefault(factor, {})[level] = None
    return {factor: list(found) for factor, found in levels.items() if len(found) > 1}


def primary_arm(study: Study, arms: tuple[ArmFacts, ...]) -> str | None:
    """The arm of the declared comparison; where the recipe names none, the first that is neither full nor a control."""
    declared = study.recipe.study.primary.arm
    if declared is not None:
        return declared
    baseline = baseline_name(study)
    others = [arm for arm in arms if arm.name != baseline]
    chosen = next((arm for arm in others if not arm.is_control), None) or next(iter(others), None)
    return chosen.name if chosen else None


def savings_baseline(study: Study) -> str:
    """What savings and ratios refer to: the full pool where it was run, else the primary comparison's baseline."""
    return FULL if FULL in study.arms and not _varies(study) else baseline_name(study)


def random_arm(arm: ArmFacts, arms: tuple[ArmFacts, ...]) -> str | None:
    """The random arm of the same fraction that is like this one in all else."""
    return next(
        (
            other.name
            for other in arms
            if other.selector == RANDOM and other.fraction == arm.fraction and other.seeds and other.name != arm.name
            and _besides_selection(other) == _besides_selection(arm)
        ),
        None,
    )  # fmt: skip


def _besides_selection(arm: ArmFacts) -> dict[str, str]:
    return {factor: level for factor, level in arm.factors.items() if factor != SELECTION}


def matched_arms(arm: ArmFacts, arms: tuple[ArmFacts, ...]) -> list[str]:
    """The controls that took this arm's selection as their reference."""
    return [other.name for other in arms if other.control_of == arm.name and other.seeds]
