"""The weights of a study folder: checkpoints of the arms' runs, and the models that adapters go on."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from winnow.kinds import KINDS
from winnow.parts import TrainPart
from winnow.recipe import Recipe
from winnow.records import Stage, Stored
from winnow.study.graph import Graph
from winnow.study.training_stages import start_for_all
from winnow.study_files import CHECKPOINTS, StudyFiles, run_name

BASE = "base"
"""Where the study folder has the base model, if adapters need it."""


def bring_weights(
    files: StudyFiles,
    recipe: Recipe,
    listed: Mapping[str, dict[str, Any]],
    graph: Graph,
    done: Mapping[str, Stored],
    first_seed: int,
) -> None:
    """The checkpoints that the recipe keeps; the others leave the folder, those of an earlier, wider recipe too."""
    kept = recipe.study.kept_checkpoints
    for stage, checkpoint in product((stage for stage in graph.stages.values() if stage.name in done), kept):
        name = weights_path(stage.kind, stage.arm, stage.seed, checkpoint, first_seed)
        if name is not None:
            _bring_checkpoint(files, done[stage.name], checkpoint, name)
    runs = {(each.kind, each.arm, each.seed) for each in graph.stages.values()}
    runs |= {(entry["kind"], entry.get("arm"), entry.get("seed")) for entry in listed.values()}
    for run, checkpoint in product(runs, set(CHECKPOINTS).difference(kept)):
        name = weights_path(*run, checkpoint, first_seed)
        if name is not None:
            files.drop(name)


def weights_path(kind: str, arm: str | None, seed: int | None, checkpoint: str, first_seed: int) -> str | None:
    """Where the study folder has this checkpoint of an arm's run; null for all other stages."""
    place = KINDS[kind].weights
    if not place or arm is None:
        return None
    return place.format(run=run_name(arm, seed, first_seed), checkpoint=checkpoint)


def _bring_checkpoint(files: StudyFiles, stored: Stored, checkpoint: str, name: str) -> None:
    """One of an artifact's folders of weights, if it has it."""
    inside = {
        file.removeprefix(f"{checkpoint}/"): digest
        for file, digest in stored.artifact.files.items()
        if file.startswith(f"{checkpoint}/")
    }
    if inside:
        files.bring_checkpoint(stored.folder / checkpoint, name, inside)


def bring_base(files: StudyFiles, recipe: Recipe, graph: Graph, done: Mapping[str, Stored]) -> str | None:
    """Where the card's snippet loads the base model from: the hub name, or the folder, unless it keeps no weights."""
    start = start_for_all(recipe)
    if start not in done:
        return None
    if not recipe.study.kept_checkpoints:
        files.drop(BASE)
    has_adapters = any(run.inputs["start"] == start for run in _adapter_runs(graph))
    return _bring_start(files, recipe, done[start], BASE, is_needed=has_adapters)


def other_bases(
    files: StudyFiles, recipe: Recipe, graph: Graph, done: Mapping[str, Stored], first_seed: int
) -> dict[str, str]:
    """By run, where the base of an adapter is that does not start from the study's."""
    found = dict[str, str]()
    for run in _adapter_runs(graph):
        start = run.inputs["start"]
        if start == start_for_all(recipe) or run.name not in done or run.arm is None or run.seed is None:
            continue
        path = _bring_start(files, recipe, done[start], f"{BASE}_{start}", is_needed=True)
        found |= {run_name(run.arm, run.seed, first_seed): path} if path else {}
    return found


def _adapter_runs(graph: Graph) -> list[Stage]:
    """The arms' runs that leave adapters."""
    return [
        stage
        for stage in graph.stages.values()
        if stage.arm is not None and isinstance(stage.part, TrainPart) and stage.part.training.method == "lora"
    ]


def _bring_start(files: StudyFiles, recipe: Recipe, start: Stored, name: str, *, is_needed: bool) -> str | None:
    """The hub name of a model that runs start from, else the folder that gets a copy if adapters need it."""
    if "model" in start.numbers:
        return str(start.numbers["model"])
    if not recipe.study.kept_checkpoints:
        return None
    if is_needed:
        _bring_checkpoint(files, start, "last", name)
    return name
