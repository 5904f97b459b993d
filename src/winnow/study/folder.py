"""Write the study folder: what a reader needs, copied out of the store."""

import io
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ruamel.yaml import YAML

from winnow.licences import may_redistribute, text_hash
from winnow.parts import BenchmarkPart
from winnow.recipe import Recipe
from winnow.records import Stage, Stored, to_json
from winnow.store import read_json, write_atomic, write_json
from winnow.study.graph import Graph
from winnow.study.identity import STUDY, identity, known_study

RUNNING = ".running.yaml"
"""The recipe of the last run that began, finished or not."""
PACKAGES = "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "pyarrow"


def announce(folder: Path, recipe: Recipe) -> None:
    """Leave the recipe of a run that begins where those who watch the study folder find it."""
    write_atomic(folder / RUNNING, _yaml(recipe))


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

    Without `weights` it has no checkpoints, which is enough for a report.
    """
    known = known_study(folder) or {}
    first_seed = known.get("first_seed", graph.seeds[0])
    write_atomic(folder / "recipe.yaml", _yaml(recipe))
    _remove_outdated(folder, graph, done, first_seed)
    _write_stages(folder, graph, done)
    _write_pool(folder, recipe, done)
    for stage in graph.stages.values():
        if stage.name in done:
            _copy_results(folder, stage, done[stage.name], first_seed, graph.seeds)
            if weights:
                _copy_checkpoints(folder, stage, done[stage.name], first_seed)
    study = {
        "name": recipe.name,
        "identity": identity(recipe),
        "digests": {name: done[name].artifact.digest for name in ("pool", "base") if name in done},
        "first_seed": first_seed,
        "base_path": _copy_base(folder, recipe, done) if weights else None,
        "method": recipe.training.method,
        "added_arms": [arm.name for arm in graph.arms if arm.is_added],
        "controls": {arm.name: arm.of for arm in graph.arms if arm.of is not None},
        "not_affordable": dict(not_affordable),
        "unavailable": dict(unavailable or {}),
        "machine": recipe.machine.model_dump(mode="json") | {"cpu": _processor(), "system": platform.platform()},
        "environment": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "revision": revision(),
    }
    write_json(folder / STUDY, study)


def run_name(arm: str, seed: int, first_seed: int) -> str:
    """Name of a run in file names: the first seed's carries no seed."""
    return arm if seed == first_seed else f"{arm}_s{seed}"


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
    yaml, stream = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(json.loads(recipe.model_dump_json()), stream)
    return stream.getvalue()


def _write_stages(folder: Path, graph: Graph, done: Mapping[str, Stored]) -> None:
    """The records of all stages of the graph, and of those that an earlier, wider recipe had made."""
    place = folder / "records" / "stages.json"
    listed = {entry["name"]: entry for entry in (read_json(place) if place.exists() else [])}
    for stage in graph.stages.values():
        if stage.name in done:
            listed[stage.name] = to_json(done[stage.name].artifact) | {
                "name": stage.name,
                "arm": stage.arm,
                "seed": stage.seed,
                "inputs_by_name": dict(stage.inputs),
            }
    write_json(place, list(listed.values()))


def _remove_outdated(folder: Path, graph: Graph, done: Mapping[str, Stored], first_seed: int) -> None:
    """Checkpoints of runs that were made anew, by a newer version of winnow for example."""
    place = folder / "records" / "stages.json"
    old = {entry["name"]: entry["fingerprint"] for entry in (read_json(place) if place.exists() else [])}
    for name, stored in done.items():
        stage = graph.stages[name]
        if stage.kind != "train" or old.get(name, stored.artifact.fingerprint) == stored.artifact.fingerprint:
            continue
        stale = [folder / "base"]
        if stage.arm is not None and stage.seed is not None:
            run = run_name(stage.arm, stage.seed, first_seed)
            stale = [folder / "adapters" / f"{run}_{checkpoint}" for checkpoint in ("best", "last")]
        for checkpoint in stale:
            shutil.rmtree(checkpoint, ignore_errors=True)


def _write_pool(folder: Path, recipe: Recipe, done: Mapping[str, Stored]) -> None:
    if "pool" in done and "tests" in done:
        pool, tests = (read_json(done[name].folder / "statistics.json") for name in ("pool", "tests"))
        write_json(folder / "records" / "pool.json", {"pool": pool, "tests": tests})
        write_prompts(folder / "records" / "items" / "prompts.parquet", done["tests"].folder, recipe)
    if "hygiene" in done:
        _copy_file(done["hygiene"].folder / "hygiene.json", folder / "records" / "hygiene.json")
        _copy_file(done["hygiene"].folder / "items.parquet", folder / "records" / "items" / "contamination.parquet")


def write_prompts(path: Path, tests: Path, recipe: Recipe) -> None:
    """The prompts of all evaluation items; null, beside its hash, where the licence does not let others have a copy."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    free = {each.name for each in recipe.evaluation.sets if may_redistribute(each.licence)}
    rows = pq.read_table(tests / "tests.parquet", columns=["source", "id", "prompt"]).to_pylist()
    columns = {
        "set": [row["source"] for row in rows],
        "id": [row["id"] for row in rows],
        "prompt": pa.array([row["prompt"] if row["source"] in free else None for row in rows], pa.string()),
        "prompt_hash": [text_hash(row["prompt"]) for row in rows],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def _copy_results(folder: Path, stage: Stage, stored: Stored, first_seed: int, seeds: tuple[int, ...]) -> None:
    records = folder / "records"
    if stage.kind == "select" and stage.arm is not None:
        for seed in [stage.seed] if stage.seed is not None else seeds:
            tree = read_json(stored.folder / "selection.json")
            name = run_name(stage.arm, seed, first_seed)
            write_json(records / f"selection.{name}.json", tree | {"arm": stage.arm, "seed": seed})
            _copy_file(stored.folder / "selection.parquet", records / "items" / f"selection.{name}.parquet")
    elif stage.kind == "train" and stage.arm is not None and stage.seed is not None:
        name = run_name(stage.arm, stage.seed, first_seed)
        tree = read_json(stored.folder / "training_records.json")
        write_json(folder / f"training_records.{name}.json", {"arm": stage.arm, "seed": stage.seed} | tree)
    elif stage.kind == "evaluate":
        _copy_evaluation(records, stage, stored, first_seed)
    elif isinstance(stage.part, BenchmarkPart):
        _copy_benchmark(records, stage, stage.part, stored, first_seed)


def _copy_checkpoints(folder: Path, stage: Stage, stored: Stored, first_seed: int) -> None:
    if stage.kind == "train" and stage.arm is not None and stage.seed is not None:
        name = run_name(stage.arm, stage.seed, first_seed)
        for checkpoint in ("best", "last"):
            _copy_folder(stored.folder / checkpoint, folder / "adapters" / f"{name}_{checkpoint}")


def _copy_evaluation(records: Path, stage: Stage, stored: Stored, first_seed: int) -> None:
    for place in stored.folder.glob("evaluation_*.json"):
        checkpoint = place.stem.removeprefix("evaluation_")
        name = "zero_shot"
        if stage.arm is not None and stage.seed is not None:
            name = f"{run_name(stage.arm, stage.seed, first_seed)}_{checkpoint}"
        head = {"arm": stage.arm or "zero_shot", "seed": stage.seed, "checkpoint": checkpoint}
        write_json(records / f"evaluation.{name}.json", head | read_json(place))
        items = stored.folder / f"items_{checkpoint}.parquet"
        _copy_file(items, records / "items" / f"evaluation.{name}.parquet")


def _copy_benchmark(records: Path, stage: Stage, part: BenchmarkPart, stored: Stored, first_seed: int) -> None:
    run = "zero_shot"
    if stage.arm is not None and stage.seed is not None:
        run = f"{run_name(stage.arm, stage.seed, first_seed)}_{part.checkpoint}"
    head = {"arm": stage.arm or "zero_shot", "seed": stage.seed}
    name = f"benchmark.{part.task}.{run}"
    write_json(records / f"{name}.json", head | read_json(stored.folder / "benchmark.json"))
    _copy_file(stored.folder / "items.parquet", records / "items" / f"{name}.parquet")


def _copy_base(folder: Path, recipe: Recipe, done: Mapping[str, Stored]) -> str | None:
    """Where the card's snippet loads the base model from: the hub name, or a copy in the folder."""
    start = done.get(recipe.training.start)
    if start is None:
        return None
    if "model" in start.numbers:
        return str(start.numbers["model"])
    if recipe.training.method == "lora":
        _copy_folder(start.folder / "last", folder / "base")
    return "base"


def _copy_file(source: Path, target: Path) -> None:
    if not target.exists() or target.read_bytes() != source.read_bytes():
        write_atomic(target, source.read_bytes())


def _copy_folder(source: Path, target: Path) -> None:
    """A folder, complete or not at all; one that is there already is the same artifact and stays."""
    if target.is_dir() or not source.is_dir():
        return
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    partial.rename(target)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()
