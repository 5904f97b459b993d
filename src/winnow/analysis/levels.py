"""The level that a run reached by any metric that its study measures, and the items behind it: one way for all.

levels(study, "herding_0.1", Question("loss"))                      # {0: 1.18, 1: 1.19}
levels(study, "herding_0.1", Question("hellaswag"))                 # a benchmark, by its own main metric
items(study, "herding_0.1", Question("exact_match", "gsm8k"))       # {0: ItemScores, ...}
"""

from dataclasses import dataclass, replace

from winnow.analysis.benchmarks import Asked, asked_of
from winnow.analysis.item_records import items_of, zero_shot_items
from winnow.analysis.items import ItemScores
from winnow.analysis.study_folder import Study
from winnow.errors import ArtifactError
from winnow.metrics import METRICS, Metric, metric_named
from winnow.recipe import Recipe
from winnow.records import ZERO_SHOT


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of runs."""

    metric: str
    """A metric, or a benchmark's name for its main one."""
    aggregate: str = "micro"
    """micro (over items), macro (over sets), or one set."""
    checkpoint: str = "best"


def benchmark_names(recipe: Recipe) -> tuple[str, ...]:
    """The benchmarks that a recipe asks for."""
    asked = recipe.evaluation.benchmarks
    return () if asked is None else asked.tasks


def own_aggregate(recipe: Recipe) -> str:
    """The primary comparison's aggregate, of the study's own evaluation sets: micro where it names a benchmark."""
    aggregate = recipe.study.primary.aggregate
    return "micro" if recipe.study.primary.metric in benchmark_names(recipe) else aggregate


def own_metrics(study: Study) -> dict[str, Metric]:
    """What is known of the metrics that the study's own evaluation sets are measured by, by name."""
    finals = [*study.finals.values(), *([study.zero_shot] if study.zero_shot else [])]
    return {name: metric for final in finals for name, metric in final.known.items()}


def facts(study: Study, name: str) -> Metric:
    """What is known of a metric, or of the main one of a benchmark. Raises ArtifactError where nothing is known."""
    if name in benchmark_names(study.recipe):
        name = next((run.summary["primary"] for run in _any_run(study, name)), "acc")
    own = own_metrics(study)
    if not own and name not in METRICS:
        return Metric(name, higher_is_better=True)  # nothing is compared before something was measured
    try:
        return metric_named(name, own)
    except KeyError:
        known = ", ".join((*own, *benchmark_names(study.recipe)))
        raise ArtifactError(f"study.primary.metric is {name!r}; the study measures {known}; name one of them") from None


def _any_run(study: Study, task: str) -> list[Asked]:
    arms = (ZERO_SHOT, *study.arms)
    return next((list(found.values()) for arm in arms if (found := asked_of(study, arm, task))), [])


def levels(study: Study, arm: str, question: Question) -> dict[int, float]:
    """The arm's level by seed; none where the metric is asked of none of its items, or was not measured.

    Raises ArtifactError where the aggregate is neither micro, macro nor an evaluation set.
    """
    if question.metric in benchmark_names(study.recipe):
        runs = asked_of(study, arm, question.metric)
        return {seed: run.summary["metrics"][run.summary["primary"]]["value"] for seed, run in runs.items()}
    finals = study.finals_of(arm, question.checkpoint)
    if arm == ZERO_SHOT:
        finals = {0: study.zero_shot} if study.zero_shot else {}
    found = {}
    for seed, final in finals.items():
        known = final.levels
        if question.aggregate not in known:
            raise ArtifactError(
                f"study.primary.aggregate is {question.aggregate!r}; the study has {', '.join(known)}; "
                "name one of them in the recipe"
            )
        if question.metric in known[question.aggregate]:
            found[seed] = known[question.aggregate][question.metric]
    return found


def items(study: Study, arm: str, question: Question) -> dict[int, ItemScores]:
    """The arm's scores by seed, item by item; empty where they are not recorded. Of some sets theirs alone."""
    if question.aggregate in study.recipe.text_sets:
        every = items(study, arm, replace(question, aggregate="macro"))
        return {seed: each.of_sets(study.recipe.text_sets[question.aggregate]) for seed, each in every.items()}
    if question.metric in benchmark_names(study.recipe):
        runs = asked_of(study, arm, question.metric)
        return {seed: run.items(run.summary["primary"]).scores_in(run.task) for seed, run in runs.items()}
    if arm == ZERO_SHOT:
        return zero_shot_items(study, question.metric)
    return items_of(study, arm, question.checkpoint, question.metric)


def measured(study: Study) -> tuple[str, ...]:
    """Names of all that the study's finished runs were measured by: metrics, then benchmarks."""
    finals = list(study.finals.values())
    names = dict.fromkeys(name for final in finals for name in final.micro.levels)
    tasks = (task for task in benchmark_names(study.recipe) if _any_run(study, task))
    return tuple(dict.fromkeys((*names, *tasks)))
