"""The measures that a recipe asks for, and whether it compares what it measures. Imports nothing heavy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from winnow.errors import RecipeError, nearest
from winnow.evaluation.measures.registry import Measure, check, find_measure
from winnow.metrics import Metric
from winnow.recipe import Frozen, MeasureRecipe, Recipe


@dataclass(frozen=True, slots=True)
class AskedMeasure:
    """A measure with the options that the recipe gives it."""

    measure: Measure
    options: Frozen


def asked_measures(recipes: Sequence[MeasureRecipe]) -> tuple[AskedMeasure, ...]:
    """The measures of these names. Raises RecipeError for one that is unknown, or for its options."""
    return tuple(AskedMeasure(find_measure(each.name), check(each.name, each.options)) for each in recipes)


def metrics_of(asked: Sequence[AskedMeasure]) -> dict[str, Metric]:
    """All metrics that these measures score by, by name."""
    return {metric.name: metric for each in asked for metric in each.measure.metrics}


def measure_mistakes(recipe: Recipe) -> list[str]:
    """Measures that nobody knows, or with options that they do not have; a primary comparison of what is not measured.

    The second is told only where the measures are right.
    """
    found: list[str] = []
    for each in recipe.evaluation.asked:
        try:
            asked_measures([each])
        except RecipeError as error:
            found += error.mistakes
    return found or list(_primary_mistakes(recipe))


def _primary_mistakes(recipe: Recipe) -> Iterator[str]:
    primary, benchmarks = recipe.study.primary, recipe.evaluation.benchmarks
    tasks = benchmarks.tasks if benchmarks else ()
    known = [*metrics_of(asked_measures(recipe.evaluation.asked)), *tasks]
    if primary.metric not in known:
        yield (
            f"study.primary.metric is {primary.metric!r}{nearest(primary.metric, known)}; the study measures "
            f"{', '.join(known)}; name one of them, or add to evaluation.measures or evaluation.benchmarks"
        )
    sets = [source.name for source in recipe.evaluation.sets]
    sets = [*recipe.text_sets, *(name for names in recipe.text_sets.values() for name in names), *sets]
    allowed = ["micro"] if primary.metric in tasks else ["micro", "macro", *sets]
    if primary.aggregate not in allowed:
        yield (
            f"study.primary.aggregate is {primary.aggregate!r}{nearest(primary.aggregate, allowed)}; "
            f"allowed: {', '.join(allowed)}"
        )


def is_of_final_answers(recipe: Recipe, metric: str) -> bool:
    """Whether this metric is asked of items with final answers alone."""
    asked = asked_measures(recipe.evaluation.asked)
    return any(metric in metrics_of([each]) and not each.measure.of_open for each in asked)
