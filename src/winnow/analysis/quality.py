"""The level a finished checkpoint reached on the whole evaluation sets, and comparisons of arms on it."""

from collections.abc import Mapping
from dataclasses import replace

from winnow.analysis.items import Parts, gain_parts, interval_over_items
from winnow.analysis.levels import Question, facts, items, levels
from winnow.analysis.statistics import mean_interval, needed_seeds, paired_differences
from winnow.analysis.study_folder import Study
from winnow.findings import Comparison, Estimate, Kind
from winnow.recipe import PrimaryRecipe

NOT_ASKED = "of its items no {} is asked, as where all answers are open text; set study.primary.metric to loss"


def primary_question(primary: PrimaryRecipe) -> Question:
    """What the declared comparison asks of a run."""
    return Question(primary.metric, primary.aggregate, primary.checkpoint)


def compare(
    study: Study, arm: str, baseline: str, *, question: PrimaryRecipe, confidence: float, num_comparisons: int = 1
) -> Comparison:
    """An arm against another, paired over the seeds that both finished; the interval is corrected (Bonferroni)."""
    metric, asked_of_runs = facts(study, question.metric), primary_question(question)
    asked = Comparison(
        arm, baseline, question.metric, question.aggregate, question.checkpoint, "too few seeds",
        num_comparisons=num_comparisons, facts=metric,
    )  # fmt: skip
    ours, theirs = levels(study, arm, asked_of_runs), levels(study, baseline, asked_of_runs)
    if not ours and not theirs and study.finals_of(arm, question.checkpoint):
        return replace(asked, reason=NOT_ASKED.format(metric.words))
    parts = None if metric.is_perplexity else gain_parts(
        items(study, arm, asked_of_runs), items(study, baseline, asked_of_runs), sign=metric.sign,
        aggregate="macro" if question.aggregate in study.recipe.text_sets else question.aggregate,
    )  # fmt: skip
    return compared(asked, ours, theirs, confidence=confidence, parts=parts)


def compared(
    asked: Comparison,
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    *,
    confidence: float,
    parts: Parts | None = None,
) -> Comparison:
    """The comparison, answered from levels by seed.

    `parts` are the gain's own, item by item, where items are known.
    """
    gains = [asked.facts.sign * difference for difference in paired_differences(ours, theirs)]
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


def kind_of(gain: Estimate | None) -> Kind:
    """Whether an interval shows a difference: only where it lies on one side of 0."""
    if gain is None or gain.low is None or gain.high is None:
        return "too few seeds"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no difference shown"
