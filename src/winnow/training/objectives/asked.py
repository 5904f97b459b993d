"""What is wrong with the objectives that a recipe asks for, as far as they themselves tell."""

from collections.abc import Iterator, Sequence

from winnow.errors import RecipeError
from winnow.recipe import Recipe, TrainingRecipe
from winnow.training.objectives import registry
from winnow.training.objectives.registry import Data

START = "start"
"""The role of the model that a run starts from, the one that it can be asked to look at."""


def objective_mistakes(recipe: Recipe, arms: Sequence[TrainingRecipe]) -> list[str]:
    """A line for each mistake: names, options, data that an objective does not take, models that a run does not have.

    `arms` are the trainings of all arms. Tells, too, of a sweep over rates where no arm is trained.
    """
    has: Data = "corpus" if recipe.is_text else "pool"
    is_scratch = recipe.base.from_scratch is not None
    found = [mistake for training in arms for mistake in _of("training", training, has=has, has_start=not is_scratch)]
    for stage in recipe.stages:
        found += _of(
            f"stage {stage.name!r}: training",
            stage.training,
            has=has,
            has_start=not is_scratch or stage.start != "base",
        )
    if recipe.base.pretrain is not None:
        found += _of("base.pretrain.training", recipe.base.pretrain.training, has="corpus")
    if recipe.study.sweep is not None and all(training.method == "none" for training in arms):
        found.append("study.sweep tries learning rates, and training.method is none: it has none; remove study.sweep")
    return list(dict.fromkeys(found))


def _of(place: str, training: TrainingRecipe, *, has: Data, has_start: bool | None = None) -> Iterator[str]:
    name, key = training.objective.name, f"{place}.objective"
    try:
        objective = registry.find(name)
        registry.check(name, training.objective.options)
    except RecipeError as error:
        yield from (f"{key}: {mistake}" for mistake in error.mistakes)
    else:
        if objective.takes != has:
            fitting = ", ".join(each for each in registry.names() if registry.find(each).takes == has)
            yield f"{key} is {name!r}, which trains on a {objective.takes}; here is a {has}, so choose one of {fitting}"
        own = {START} if (has == "pool" if has_start is None else has_start) else set[str]()
        for role in objective.beside:
            if role not in own:
                yield f"{key} is {name!r}, which looks at a model {role!r}; no run has one here, so choose another"
