"""Write the study folder: what a reader needs, copied out of the store."""

import io
import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from winnow.columns import array_of, read_columns
from winnow.credentials import masked_tree
from winnow.errors import ArtifactError
from winnow.kinds import KINDS
from winnow.parts import BenchmarkPart, EvaluatePart
from winnow.recipe import Recipe
from winnow.recipe.licences import may_redistribute, text_hash
from winnow.recipe.measuring import DivergencePart, SamplePart, SpectraPart
from winnow.records import BORING_SELECTORS, Stage, Stored, to_json
from winnow.store import read_json, sealed, unsealed, write_atomic
from winnow.study.arms import Arm, primary_baseline
from winnow.study.graph import Graph
from winnow.study.identity import identity, known_study
from winnow.study.predictions import write_predictions
from winnow.study.weights import BASE, bring_base, bring_weights, other_bases, weights_path
from winnow.study_files import CHECKPOINTS, REMEDY, STAGES, StudyFiles, run_name, sealed_text

RUNNING = ".running.yaml"
"""The recipe of the last run that began, finished or not."""
PACKAGES = "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "pyarrow"


def announce(folder: Path, recipe: Recipe) -> None:
    """Leave the recipe of a run that begins where those who watch the study folder find it."""
    write_atomic(folder / RUNNING, sealed_text(_yaml(recipe)))


def write_folder(
    folder: Path,
    recipe: Recipe,
    graph: Graph,
    done: Mapping[str, Stored],
    not_affordable: Mapping[str, str],
    unavailable: Mapping[str, str] | None = None,
    *,
    weights: bool = True,
) -> None:
    """Bring the study folder up to date with all finished stages; every file appears complete or not at all.

    It has the checkpoints that `study.keep` names; without `weights` none, which is enough for a report.
    """
    known = known_study(folder) or {}
    first_seed = known.get("first_seed", graph.seeds[0])
    files = StudyFiles(folder)
    files.write("recipe.yaml", _yaml(recipe))
    listed = _listed_stages(folder)
    _remove_outdated(files, listed, graph, done, first_seed)
    _write_stages(files, listed, graph, done)
    _write_pool(files, recipe, done)
    write_predictions(files)
    for stage in graph.stages.values():
        if stage.name in done:
            _copy_results(files, stage, done[stage.name], first_seed, graph.seeds)
    if weights:
        bring_weights(files, recipe, listed, graph, done, first_seed)
    baseline = primary_baseline(recipe, graph.arms)
    settings = {
        "name": recipe.name,
        "identity": identity(recipe),
        "digests": {name: done[name].artifact.digest for name in ("pool", "base") if name in done},
        "first_seed": first_seed,
        "base_path": bring_base(files, recipe, graph, done) if weights else None,
        "base_paths": other_bases(files, recipe, graph, done, first_seed) if weights else {},
        "arms": known.get("arms", {}) | arms_facts(graph),
        "added_arms": [arm.name for arm in graph.arms if arm.is_added],
        "controls": {arm.name: arm.control_of for arm in graph.arms if arm.control_of is not None},
        "baseline": baseline.name if baseline else recipe.study.primary.baseline,
        "not_affordable": dict(not_affordable),
        "unavailable": dict(unavailable or {}),
        "machine": recipe.machine.model_dump(mode="json") | {"cpu": _processor(), "system": platform.platform()},
        "environment": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "revision": revision(),
    }
    files.finish(settings)


def arms_facts(graph: Graph) -> dict[str, dict[str, Any]]:
    """By arm, what study.json says of it."""
    return {arm.name: _facts(arm, len(graph.selections) > 1) for arm in graph.arms}


def _facts(arm: Arm, has_selections: bool) -> dict[str, Any]:
    """What findings have to know of an arm, whether it has a selection or a run yet or not.

    A full pool or random rows are a control where the study has several selections; else all arms train on the same.
    """
    chosen = arm.selection
    return {
        "selector": chosen.selector, "fraction": chosen.fraction, "control_of": arm.control_of,
        "is_added": arm.is_added, "selection": chosen.name, "factors": dict(arm.factors),
        "settings": dict(arm.settings),
        "is_control": arm.control_of is not None or (has_selections and chosen.selector in BORING_SELECTORS),
        "options": {
            "options": dict(chosen.options), "target": chosen.target, "representation": chosen.representation,
            "score": chosen.score,
        },
    }  # fmt: skip


def revision() -> str:
    """The git revision of winnow's own code, with `+` where it is modified; its version outside a checkout."""
    try:
        _git(
            "ls-files", "--error-unmatch", Path(__file__).name
        )  # installed inside another checkout is not our revision
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return f"winnow-lm {metadata.version('winnow-lm')}"


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _yaml(recipe: Recipe) -> str:
    """The resolved recipe, as it may be handed on: without passwords in addresses."""
    yaml, stream = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(masked_tree(json.loads(recipe.model_dump_json())), stream)
    return stream.getvalue()


def _listed_stages(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of the stages that an earlier run had made, by name, each with its own seal.

    Their seals are compared instead of the hash in study.json, which a kill may have kept from being written. Raises
    ArtifactError where one is damaged.
    """
    place = folder / STAGES
    try:
        return {entry["name"]: unsealed(entry) for entry in (read_json(place) if place.exists() else [])}
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{place} is damaged; remove this file and {REMEDY}") from error


def _write_stages(
    files: StudyFiles, listed: Mapping[str, dict[str, Any]], graph: Graph, done: Mapping[str, Stored]
) -> None:
    """The records of all stages of the graph, and of those that an earlier, wider recipe had made."""
    made = {
        stage.name: to_json(done[stage.name].artifact)
        | {"name": stage.name, "arm": stage.arm, "seed": stage.seed, "inputs_by_name": dict(stage.inputs)}
        for stage in graph.stages.values()
        if stage.name in done
    }
    files.write_json(STAGES, [sealed(entry) for entry in {**listed, **made}.values()])


def _remove_outdated(
    files: StudyFiles, listed: Mapping[str, dict[str, Any]], graph: Graph, done: Mapping[str, Stored], first_seed: int
) -> None:
    """Checkpoints of runs that were made anew, by a newer version of winnow for example."""
    for name, stored in done.items():
        stage = graph.stages[name]
        old = listed.get(name, {}).get("fingerprint", stored.artifact.fingerprint)
        if not KINDS[stage.kind].weights or old == stored.artifact.fingerprint:
            continue
        for checkpoint in CHECKPOINTS:
            files.remove(weights_path(stage.kind, stage.arm, stage.seed, checkpoint, first_seed) or BASE)


def _write_pool(files: StudyFiles, recipe: Recipe, done: Mapping[str, Stored]) -> None:
    if "pool" in done and "tests" in done:
        pool, tests = (read_json(done[name].folder / "statistics.json") for name in ("pool", "tests"))
        files.write_json("records/pool.json", {"pool": pool, "tests": tests})
        files.write("records/items/prompts.parquet", prompts(done["tests"].folder, recipe))


def prompts(tests: Path, recipe: Recipe) -> bytes:
    """The prompts of all evaluation items as Parquet; null, beside its hash, where the licence does not let others
    have a copy."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    free = {each.name for each in recipe.evaluation.sets if may_redistribute(each.licence)}
    rows = read_columns(tests / "tests.parquet", ["source", "id", "prompt"]).to_pylist()
    columns = {
        "set": [row["source"] for row in rows],
        "id": [row["id"] for row in rows],
        "prompt": [row["prompt"] if row["source"] in free else None for row in rows],
        "prompt_hash": [text_hash(row["prompt"]) for row in rows],
    }
    buffer = io.BytesIO()
    arrays = [array_of(values, pa.string()) for values in columns.values()]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(columns)), buffer, compression="zstd")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose a file is; all null where it is the study's."""

    arm: str | None = None
    seed: int | None = None
    checkpoint: str | None = None


def _owners(stage: Stage, seeds: tuple[int, ...]) -> Iterator[_Owner]:
    """Whose the files of a stage are: of one seed or, where it serves all seeds of its arm, of each."""
    checkpoints: tuple[str | None, ...] = (None,)
    if isinstance(stage.part, EvaluatePart | DivergencePart):
        checkpoints = stage.part.checkpoints
    elif isinstance(stage.part, BenchmarkPart | SpectraPart | SamplePart):
        checkpoints = (stage.part.checkpoint,)
    for seed in seeds if stage.arm is not None and stage.seed is None else (stage.seed,):
        for checkpoint in checkpoints:
            yield _Owner(stage.owner, seed, checkpoint)


def _copy_results(files: StudyFiles, stage: Stage, stored: Stored, first_seed: int, seeds: tuple[int, ...]) -> None:
    """The files that the row of the stage's kind names; records say whose they are."""
    for owner, copied in product(_owners(stage, seeds), KINDS[stage.kind].copied):
        if owner.arm is None and "{run}" in copied.path:
            continue
        file = copied.file.format(checkpoint=owner.checkpoint)
        run = run_name(owner.arm or "", owner.seed, first_seed, owner.checkpoint)
        path = copied.path.format(run=run, task=getattr(stage.part, "task", None))
        if copied.is_record:
            whose = {"arm": owner.arm, "seed": owner.seed}
            whose |= {"checkpoint": owner.checkpoint} if file != copied.file else {}
            files.write_json(path, whose | read_json(stored.folder / file) | whose)
        else:
            files.copy(stored.folder / file, path, stored.artifact.files[file])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()
