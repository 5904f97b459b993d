"""Checkpoints that survive a kill at any instant.

A checkpoint is a folder `step_<n>` with weights, optimizer, random states and the run's counts. It is written under a
temporary name; a manifest with the sha256 of every file comes last, then one rename. `newest` gives back the newest
one whose files all match; a damaged one is named and passed over.
"""

import io
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from winnow.store import hash_file, read_json, sync, write_json

MANIFEST = "manifest.json"
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    step: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    random_state: dict[str, Any]
    counts: dict[str, Any]
    """The run's own records so far, as JSON."""


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint below `folder`, then remove all but the newest ones."""
    final = folder / f"step_{checkpoint.step:010d}"
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "weights.safetensors").write_bytes(save({k: v.contiguous() for k, v in checkpoint.weights.items()}))
    (partial / "optimizer.pt").write_bytes(_pickled(checkpoint.optimizer))
    (partial / "random_state.pt").write_bytes(_pickled(checkpoint.random_state))
    write_json(partial / "counts.json", checkpoint.counts)
    write_json(partial / MANIFEST, {path.name: hash_file(path) for path in sorted(partial.iterdir())})
    for path in (*partial.iterdir(), partial):
        sync(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    sync(folder)
    # Those of later steps were found damaged when the run resumed; kept, they would push out the good ones.
    kept = [place for place in _complete(folder) if place <= final][-KEPT:]
    for place in set(_complete(folder)) - set(kept):
        shutil.rmtree(place)


def newest(folder: Path) -> Checkpoint | None:
    """The newest valid checkpoint below `folder`, or None; warns, naming the file, about damaged ones."""
    place = newest_place(folder)
    return None if place is None else _read(place)


def newest_place(folder: Path) -> Path | None:
    """Where the newest valid checkpoint below `folder` is; warns, naming the file, about damaged ones."""
    for place in reversed(_complete(folder)):
        damage = _damage(place)
        if damage is None:
            return place
        warnings.warn(f"checkpoint {place.name} is damaged ({damage}); using an older one", stacklevel=2)
    return None


def _complete(folder: Path) -> list[Path]:
    return sorted(place for place in folder.glob("step_*") if place.suffix != ".partial")


def _damage(place: Path) -> str | None:
    if not (place / MANIFEST).is_file():
        return f"{MANIFEST} is missing"
    try:
        listed = read_json(place / MANIFEST)
    except Exception:
        return f"{MANIFEST} cannot be read"
    for name in ("weights.safetensors", "optimizer.pt", "random_state.pt", "counts.json"):
        if not (place / name).is_file():
            return f"{name} is missing"
        if listed.get(name) != hash_file(place / name):
            return f"{name} has changed"
    return None


def _read(place: Path) -> Checkpoint:
    return Checkpoint(
        step=int(place.name.removeprefix("step_")),
        weights=load((place / "weights.safetensors").read_bytes()),
        optimizer=torch.load(place / "optimizer.pt", weights_only=True),
        random_state=torch.load(place / "random_state.pt", weights_only=True),
        counts=read_json(place / "counts.json"),
    )


def _pickled(tree: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(tree, buffer)
    return buffer.getvalue()
