"""The answer to the one declared comparison, in plain words and in numbers, and the ranking of all arms."""

from dataclasses import replace

from winnow.analysis.advice import Situation, first_line, missing_sentence
from winnow.analysis.arms import arm_facts, baseline_name, differ_in_selection_alone, in_words, primary_arm
from winnow.analysis.beside import Beside, beside_of, controls_of, missing_controls, so_far_of
from winnow.analysis.cost import flops_unit_of
from winnow.analysis.frontier import saving
from winnow.analysis.levels import facts
from winnow.analysis.quality import compare
from winnow.analysis.sentences import (
    at_equal_sentence,
    compute_sentence,
    control_sentence,
    items_sentence,
    verdict_sentence,
)
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison, Kind, Saving, Verdict


def judge(study: Study) -> Verdict:
    """The study's verdict.

    The primary comparison stands uncorrected, since it was declared before the runs. Those with the random and the
    matched arms are corrected for their number, and so is the ranking.
    """
    asked, arms = study.recipe.study, arm_facts(study)
    name, baseline, confidence = primary_arm(study, arms), baseline_name(study), asked.confidence
    refused = next((arm.not_affordable for arm in arms if arm.name == name), "")
    saved, unequal, beside = None, "", Beside()
    if name is None:
        waiting = f"no arm beside {baseline} has finished yet; nothing is claimed"
        primary = _unanswered(study, "the first selected arm", "too few seeds", waiting)
    elif refused:
        primary = _unanswered(study, name, "not affordable", refused)
    else:
        primary = compare(study, name, baseline, question=asked.primary, confidence=confidence)
        unequal = _unequal_budgets(name, baseline, arms)
        saved = None if unequal else _saving(study, name, arms)
        beside = beside_of(study, primary)
    controls, so_far = controls_of(study, name, arms), so_far_of(study, name, baseline)
    situation = Situation(
        baseline=in_words(baseline, arms), cost_ratio=beside.compute.cost if beside.compute else None,
        at_equal=beside.at_equal.comparison.kind if beside.at_equal and beside.at_equal.comparison else None,
        so_far=so_far, missing=missing_controls(study, name, arms),
        unbeaten=tuple(found.baseline for found, _ in controls if found.kind != "better"),
    )  # fmt: skip
    return Verdict(
        kind=primary.kind,
        sentence=verdict_sentence(primary, saved, confidence, unequal, _chosen_by(study))
        + compute_sentence(primary, beside.compute),
        notes=(
            *at_equal_sentence(beside.at_equal, confidence, flops_unit_of(study)),
            *(control_sentence(found, what=what, confidence=confidence) for found, what in controls),
            *([missing_sentence(situation.missing)] if situation.missing and primary.kind != "better" else []),
            *_coverage(primary, confidence),
        ),
        primary=primary,
        saving=saved,
        ranking=ranking(study, arms),
        confidence=confidence,
        advice=first_line(primary, situation),
        so_far=so_far,
    )


def _chosen_by(study: Study) -> str:
    """Which loss chose the best checkpoints, as records say; empty where it was the usual one."""
    ways = {run.best.by for run in study.runs.values()}
    return {frozenset({"target"}): "target validation loss", frozenset({"test"}): "test loss"}.get(frozenset(ways), "")


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
