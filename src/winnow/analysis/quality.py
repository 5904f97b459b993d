"""The level a finished checkpoint reached on the whole evaluation sets, and comparisons of arms on it."""

from winnow.analysis.long_table import final_scores
from winnow.analysis.statistics import mean_interval, needed_seeds, paired_differences
from winnow.analysis.study_folder import Study
from winnow.errors import ArtifactError
from winnow.findings import Comparison, Estimate, Kind
from winnow.recipe import PrimaryRecipe


def levels(study: Study, arm: str, question: PrimaryRecipe) -> dict[int, float]:
    """The arm's level by seed, at the metric, aggregate and checkpoint of the question.

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
        found[seed] = getattr(scores[question.aggregate], question.metric)
    return found


def compare(
    study: Study, arm: str, baseline: str, *, question: PrimaryRecipe, confidence: float, num_comparisons: int = 1
) -> Comparison:
    """An arm against another, paired over the seeds that both finished; the interval is corrected (Bonferroni)."""
    ours, theirs = levels(study, arm, question), levels(study, baseline, question)
    gains = paired_differences(ours, theirs) if question.metric == "exact_match" else paired_differences(theirs, ours)
    gain = mean_interval(gains, confidence, num_comparisons=num_comparisons)
    kind = kind_of(gain)
    needed = needed_seeds(gains, confidence, num_comparisons=num_comparisons)
    return Comparison(
        arm=arm,
        baseline=baseline,
        metric=question.metric,
        aggregate=question.aggregate,
        checkpoint=question.checkpoint,
        kind=kind,
        gain=gain,
        num_comparisons=num_comparisons,
        needed_seeds=needed if kind == "no difference shown" else None,
    )


def kind_of(gain: Estimate | None) -> Kind:
    """Whether an interval shows a difference: only where it lies on one side of 0."""
    if gain is None or gain.low is None or gain.high is None:
        return "too few seeds"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no difference shown"
