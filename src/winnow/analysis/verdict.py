"""The answer to the one declared comparison, the controls beside it, and the ranking of all arms."""

from dataclasses import replace
from functools import partial

from winnow.analysis.arms import (
    FULL,
    arm_facts,
    baseline_name,
    differ_in_selection_alone,
    matched_arms,
    primary_arm,
    random_arm,
)
from winnow.analysis.frontier import saving
from winnow.analysis.levels import facts
from winnow.analysis.quality import compare
from winnow.analysis.sentences import control_sentence, items_sentence, verdict_sentence
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison, Kind, Saving, Verdict


def judge(study: Study) -> Verdict:
    """The study's verdict.

    The primary comparison stands uncorrected, since it was declared before the runs. Those with the random and the
    matched arms are corrected for their number, and so is the ranking.
    """
    asked, arms = study.recipe.study, arm_facts(study)
    name, confidence = primary_arm(study, arms), asked.confidence
    refused = next((arm.not_affordable for arm in arms if arm.name == name), "")
    saved, unequal = None, ""
    if name is None:
        waiting = f"no arm beside {baseline_name(study)} has finished yet; nothing is claimed"
        primary = _unanswered(study, "the first selected arm", "too few seeds", waiting)
    elif refused:
        primary = _unanswered(study, name, "not affordable", refused)
    else:
        primary = compare(study, name, baseline_name(study), question=asked.primary, confidence=confidence)
        unequal = _unequal_budgets(name, baseline_name(study), arms)
        saved = None if unequal else _saving(study, name, arms)
    return Verdict(
        kind=primary.kind,
        sentence=verdict_sentence(primary, saved, confidence, unequal),
        notes=(*_notes(study, name, arms), *_coverage(primary, confidence)),
        primary=primary,
        saving=saved,
        ranking=ranking(study, arms),
        confidence=confidence,
    )


def _unequal_budgets(name: str, baseline: str, arms: tuple[ArmFacts, ...]) -> str:
    """Both budgets, where two arms have different ones: what one spends less is then no saving."""
    pair = [next((arm for arm in arms if arm.name == each), None) for each in (name, baseline)]
    budgets = [arm.budget for arm in pair if arm is not None and arm.budget is not None]
    if len(budgets) < 2 or budgets[0] == budgets[1]:
        return ""
    return f"{budgets[0].text} against {budgets[1].text}"


def _saving(study: Study, name: str, arms: tuple[ArmFacts, ...]) -> Saving | None:
    """What the arm saves, and whether its selection alone can have done so."""
    asked, by_name = study.recipe.study, {arm.name: arm for arm in arms}
    found = saving(study, name, baseline_name(study), axis=asked.primary.cost, confidence=asked.confidence)
    arm, baseline = by_name.get(name), by_name.get(baseline_name(study))
    if found is None or arm is None or baseline is None or differ_in_selection_alone(arm, baseline):
        return found
    is_one = arm.selection_factor == baseline.selection_factor
    return replace(found, is_of_selection=False, includes_selection=is_one)


def _unanswered(study: Study, arm: str, kind: Kind, reason: str = "") -> Comparison:
    asked = study.recipe.study.primary
    return Comparison(
        arm, asked.baseline, asked.metric, asked.aggregate, asked.checkpoint, kind, reason=reason,
        facts=facts(study, asked.metric),
    )  # fmt: skip


def _coverage(primary: Comparison, confidence: float) -> tuple[str, ...]:
    """What the primary interval covers, where items were recorded."""
    if primary.num_items is None or primary.gain is None or primary.gain.low is None:
        return ()
    return (items_sentence(primary, confidence),)


def _notes(study: Study, name: str | None, arms: tuple[ArmFacts, ...]) -> tuple[str, ...]:
    """One sentence for each boring arm that a clever one has to beat."""
    arm = next((arm for arm in arms if arm.name == name and arm.seeds), None)
    if arm is None or arm.selector == FULL:
        return ()
    asked, boring = study.recipe.study, random_arm(arm, arms)
    others = {boring: "random rows, same fraction"} if boring else {}
    others |= dict.fromkeys(matched_arms(arm, arms), "control matched to its selection")
    others.pop(baseline_name(study), None)
    ask = partial(compare, study, arm.name, question=asked.primary, confidence=asked.confidence)
    return tuple(
        control_sentence(ask(other, num_comparisons=len(others)), what=what, confidence=asked.confidence)
        for other, what in others.items()
    )


def ranking(study: Study, arms: tuple[ArmFacts, ...]) -> tuple[Comparison, ...]:
    """All arms against the primary baseline, best first; arms that could not be compared stand last."""
    asked = study.recipe.study
    candidates = [arm for arm in arms if arm.seeds and arm.name != baseline_name(study)]
    found = [
        compare(
            study,
            arm.name,
            baseline_name(study),
            question=asked.primary,
            confidence=asked.confidence,
            num_comparisons=len(candidates),
        )
        for arm in candidates
    ]
    found.sort(key=lambda comparison: -comparison.gain.mean if comparison.gain else float("inf"))
    return (
        *found,
        *(_unanswered(study, arm.name, "not affordable", arm.not_affordable) for arm in arms if arm.not_affordable),
    )
