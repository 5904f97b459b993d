"""The answer to the one declared comparison, the controls beside it, and the ranking of all arms."""

from functools import partial

from winnow.analysis.arms import FULL, arm_facts, matched_arms, primary_arm, random_arm
from winnow.analysis.frontier import saving
from winnow.analysis.levels import facts
from winnow.analysis.quality import compare
from winnow.analysis.sentences import control_sentence, items_sentence, verdict_sentence
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Comparison, Kind, Verdict


def judge(study: Study) -> Verdict:
    """The study's verdict.

    The primary comparison stands uncorrected, since it was declared before the runs. Those with the random and the
    matched arms are corrected for their number, and so is the ranking.
    """
    asked, arms = study.recipe.study, arm_facts(study)
    name, confidence = primary_arm(study, arms), asked.confidence
    refused = next((arm.not_affordable for arm in arms if arm.name == name), "")
    saved = None
    if name is None:
        waiting = f"no arm beside {asked.primary.baseline} has finished yet; nothing is claimed"
        primary = _unanswered(study, "the first selected arm", "too few seeds", waiting)
    elif refused:
        primary = _unanswered(study, name, "not affordable", refused)
    else:
        primary = compare(study, name, asked.primary.baseline, question=asked.primary, confidence=confidence)
        saved = saving(study, name, asked.primary.baseline, axis=asked.primary.cost, confidence=confidence)
    return Verdict(
        kind=primary.kind,
        sentence=verdict_sentence(primary, saved, confidence),
        notes=(*_notes(study, name, arms), *_coverage(primary, confidence)),
        primary=primary,
        saving=saved,
        ranking=ranking(study, arms),
        confidence=confidence,
    )


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
    others.pop(asked.primary.baseline, None)
    ask = partial(compare, study, arm.name, question=asked.primary, confidence=asked.confidence)
    return tuple(
        control_sentence(ask(other, num_comparisons=len(others)), what=what, confidence=asked.confidence)
        for other, what in others.items()
    )


def ranking(study: Study, arms: tuple[ArmFacts, ...]) -> tuple[Comparison, ...]:
    """All arms against the primary baseline, best first; arms that could not be compared stand last."""
    asked = study.recipe.study
    candidates = [arm for arm in arms if arm.seeds and arm.name != asked.primary.baseline]
    found = [
        compare(
            study,
            arm.name,
            asked.primary.baseline,
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
