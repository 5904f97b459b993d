"""Models that somebody trained, scored on a recipe's evaluation sets by the evaluation stage, through the store.

    walk = score(recipe, {("mine", 0): "models/mine"}, store, Watch())
    scores_of(walk, ("mine", 0)).folder / "evaluation_last.json"

Scores stay in the store, so that a model that was scored once is not scored again.
"""

from collections.abc import Mapping
from dataclasses import replace

from winnow.parts import EvaluatePart, ModelPart
from winnow.pipeline import selector_traits
from winnow.recipe import Recipe
from winnow.records import Stage, Stored
from winnow.store import Store
from winnow.study.graph import Graph, expand
from winnow.walk import Walk, Watch, walk_stages, wanted

Key = tuple[str, int]
"""Arm and seed."""


def score(recipe: Recipe, models: Mapping[Key, str], store: Store, watch: Watch) -> Walk:
    """The scores of all models, folders or hub names; of the recipe only the evaluation is used. Raises WinnowError."""
    graph = _graph(recipe, models)
    return walk_stages(graph, recipe, store, list(graph.stages), watch)


def scores_of(walk: Walk, key: Key) -> Stored:
    """What the evaluation stage left for this model: `evaluation_last.json`, `items_last.parquet`."""
    return walk.done[_stage("evaluate", key)]


def _stage(kind: str, key: Key) -> str:
    return f"{kind}.{key[0]}.s{key[1]}"


def _graph(recipe: Recipe, models: Mapping[Key, str]) -> Graph:
    """The recipe's evaluation sets, and for each model a pointer to it and its scores."""
    graph = expand(recipe, selector_traits())
    stages = {name: graph.stages[name] for name in wanted(graph, until=("tests",))}
    part = EvaluatePart(
        checkpoints=("last",), max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size, threads=recipe.training.threads,
        measures=recipe.evaluation.asked_beyond,
    )  # fmt: skip
    for key, named in models.items():
        model = Stage(_stage("checkpoint", key), "model", ModelPart(model=named))
        inputs = {"run": model.name, "tests": "tests", "tokenizer": model.name}
        scores = Stage(_stage("evaluate", key), "evaluate", part, inputs, *key)
        stages |= {model.name: model, scores.name: scores}
    return replace(graph, stages=stages)
