"""What identifies an artifact: all that was asked, and nothing of where or by whom it was made."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from winnow.kinds import KINDS
from winnow.models.host import kind_of_device
from winnow.parts import BenchmarkPart, SelectPart, TokenizerPart, TrainPart
from winnow.recipe import Frozen, SourceRecipe
from winnow.recipe.marks import asked
from winnow.records import Stage, Stored
from winnow.store import hash_file, hash_json


def fingerprint_of(stage: Stage, inputs: Mapping[str, Stored]) -> str:
    """Of what is asked: part, contents of the inputs, data read, stage version, kind of device."""
    return hash_json(
        {
            "kind": stage.kind,
            "version": KINDS[stage.kind].version,
            "part": asked(stage.part),
            "inputs": {role: stored.artifact.digest for role, stored in inputs.items()},
            "data": _data_digests(stage.part),
            "device": kind_of_device() if KINDS[stage.kind].on_device else None,
            **_ways(stage),
        }
    )[:24]


def _ways(stage: Stage) -> dict[str, int]:
    """How the adapter of a run that leaves a whole model is merged; how a branch decays, and what it is charged for."""
    part = stage.part
    if not isinstance(part, TrainPart):
        return {}
    merges = {"merges": 2} if part.training.method == "lora" and part.leaves == "model" else {}
    return merges | ({"branches": 2} if part.cooldown is not None else {})


def _data_digests(part: Frozen) -> dict[str, Any]:
    """Hashes of all files that a part reads."""
    from winnow.pool.sources import source_digests

    sources = [value for value in _values(part) if isinstance(value, SourceRecipe) and value.path is not None]
    read = {source.name: source_digests(source) for source in sources}
    return read | _model_digests(part) | _user_files(part) | _benchmark_digests(part)


def _user_files(part: Frozen) -> dict[str, Any]:
    """Hashes of the files that a selector's options name."""
    from winnow.selection.registry import data_files

    if not isinstance(part, SelectPart):
        return {}
    files = [path for path in data_files(part.selector, part.options) if path.is_file()]
    names = [path.name for path in files]
    keys = [name if names.count(name) == 1 else f"{place}/{name}" for place, name in enumerate(names)]
    return {key: hash_file(path) for key, path in zip(keys, files, strict=True)}


def _benchmark_digests(part: Frozen) -> dict[str, Any]:
    """Hashes of a benchmark's local files, and lm-eval's version, which decides on prompts and metrics."""
    from winnow.evaluation.benchmarks.local_data import file_digests

    if not isinstance(part, BenchmarkPart):
        return {}
    files = None if part.data_dir is None else file_digests(Path(part.data_dir), part.task)
    return {"files": files, "lm_eval": version("lm-eval")}


def _values(part: Any) -> Iterator[Any]:
    yield part
    inner = [getattr(part, key) for key in type(part).model_fields] if isinstance(part, Frozen) else part
    if isinstance(part, Frozen | tuple):
        for value in inner:
            yield from _values(value)


def _model_digests(part: Frozen) -> dict[str, Any]:
    """Hashes of a local model's files; of an adapter's also those of what it is an adapter of."""
    from winnow.models.folders import contents_of

    named = part.tokenizer if isinstance(part, TokenizerPart) else part
    name = getattr(named, "model", "") or "/nowhere"
    return {"model": contents_of(name)} if Path(name).expanduser().is_dir() else {}
