"""The level a finished checkpoint reached on the whole evaluation sets, and comparisons of arms on it."""

from collections.abc import Mapping
from dataclasses import replace

from winnow.analysis.item_records import items_of
from winnow.analysis.items import Parts, interval_over_items, parts_of
from winnow.analysis.long_table import final_scores
from winnow.analysis.statistics import mean_interval, needed_seeds, paired_differences
from winnow.analysis.study_folder import Study
from winnow.errors import ArtifactError
from winnow.findings import Comparison, Estimate, Kind
from winnow.recipe import PrimaryRecipe

NOT_ASKED = "its answers are open text, of which no exact match is asked; set study.primary.metric to loss"


def levels(study: Study, arm: str, question: PrimaryRecipe) -> dict[int, float]:
    """The arm's level by seed, at the metric, aggregate and checkpoint of the question; none where it is not asked.

    Raises ArtifactError where the aggregate is neither micro, macro nor an evaluation set.
    """
    found = {}
    for seed, final in study.finals_of(arm, question.checkpoint).items():
        scores = final_scores(final)
        if question.aggregate not in scores:
            raise ArtifactError(
                f"study.primary.aggregate is {question.aggregate!r}; the study has {', '.join(scores)}; "
                "name one of them in the recipe"
            )
        level = getattr(scores[question.aggregate], question.metric)
        if level is not None:
            found[seed] = level
    return found


def compare(
    study: Study, arm: str, baseline: str, *, question: PrimaryRecipe, confidence: float, num_comparisons: int = 1
) -> Comparison:
    """An arm against another, paired over the seeds that both finished; the interval is corrected (Bonferroni)."""
    asked = Comparison(
        arm, baseline, question.metric, question.aggregate, question.checkpoint, "too few seeds",
        num_comparisons=num_comparisons,
    )  # fmt: skip
    sign = 1 if question.metric == "exact_match" else -1
    ours, theirs = levels(study, arm, question), levels(study, baseline, question)
    if not ours and not theirs and study.finals_of(arm, question.checkpoint):
        return replace(asked, reason=NOT_ASKED)
    return compared(asked, ours, theirs, sign=sign, confidence=confidence, parts=_parts(study, asked, sign))


def compared(
    asked: Comparison,
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    *,
    sign: int,
    confidence: float,
    parts: Parts | None = None,
) -> Comparison:
    """The comparison, answered from levels by seed; `sign` is 1 where higher is better, else -1.

    `parts` are the gain's own, item by item, where items are known.
    """
    gains = [sign * difference for difference in paired_differences(ours, theirs)]
    num = asked.num_comparisons
    gain = mean_interval(gains, confidence, num_comparisons=num)
    kind = kind_of(gain)
    return replace(
        asked,
        kind=kind,
        gain=gain,
        needed_seeds=needed_seeds(gains, confidence, num_comparisons=num) if kind == "no difference shown" else None,
        over_items=None if parts is None else interval_over_items(parts, confidence, num_comparisons=num),
        num_items=None if parts is None else len(parts.ids),
    )


def _parts(study: Study, asked: Comparison, sign: int) -> Parts | None:
    """The gain by seed and item; None where items are not recorded, or not the same for both arms."""
    runs = {arm: items_of(study, arm, asked.checkpoint) for arm in (asked.arm, asked.baseline)}
    seeds = runs[asked.arm].keys() & runs[asked.baseline].keys()
    ours, theirs = (
        parts_of({seed: runs[arm][seed] for seed in seeds}, metric=asked.metric, aggregate=asked.aggregate)
        for arm in (asked.arm, asked.baseline)
    )
    difference = ours.minus(theirs) if ours is not None and theirs is not None else None
    return None if difference is None else replace(difference, values=sign * difference.values)


def kind_of(gain: Estimate | None) -> Kind:
    """Whether an interval shows a difference: only where it lies on one side of 0."""
    if gain is None or gain.low is None or gain.high is None:
        return "too few seeds"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no difference shown"
