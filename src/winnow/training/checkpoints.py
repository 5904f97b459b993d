"""Checkpoints that survive a kill at any instant.

A checkpoint is a folder `step_<n>` with weights, optimizer, random states and the run's counts; beside it stand the
best weights so far, `best_<n>`. Each is written under a temporary name; a manifest with the sha256 of every file comes
last, then one rename. `newest` gives back the newest checkpoint whose files, and those of the best weights that it
names, all match; a damaged one is named and passed over.
"""

import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from winnow import files
from winnow.errors import ArtifactError
from winnow.store import hash_file, hash_tree, read_json, write_folder, write_json

MANIFEST = "manifest.json"
WEIGHTS, OPTIMIZER, RANDOM_STATE, COUNTS = "weights.safetensors", "optimizer.pt", "random_state.pt", "counts.json"
KEPT = 2

Fill = Callable[[Path], object]
"""Puts files into the empty folder that it is given."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    step: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    random_state: dict[str, Any]
    counts: dict[str, Any]
    """The run's own records so far, as JSON."""
    best_step: int | None = None
    """The step whose weights are the best so far, kept by `save_best`; None where none were kept."""


def write(folder: Path, checkpoint: Checkpoint, *, keep_all: bool = False) -> None:
    """Write a checkpoint below `folder`, then remove all but the newest ones, unless all are to be kept.

    Tensors go to the files as they stand; only weights on an accelerator are copied. Raises OSError naming the file
    where the disk is full or fails; the older checkpoints are still there then.
    """

    def fill(place: Path) -> None:
        weights = {name: weight.contiguous() for name, weight in checkpoint.weights.items()}
        files.write(place / WEIGHTS, lambda path: save_file(weights, path))
        files.write(place / OPTIMIZER, lambda path: torch.save(checkpoint.optimizer, path))
        files.write(place / RANDOM_STATE, lambda path: torch.save(checkpoint.random_state, path))
        write_json(place / COUNTS, checkpoint.counts)

    final = folder / f"step_{checkpoint.step:010d}"
    _write_sealed(final, fill, None if checkpoint.best_step is None else best_name(checkpoint.best_step))
    if keep_all:
        return
    # Those of later steps were found damaged when the run resumed; kept, they would push out the good ones.
    kept = [place for place in _complete(folder) if place <= final][-KEPT:]
    for place in set(_complete(folder)) - set(kept):
        files.remove(place)
    _remove_unnamed_best(folder, checkpoint.best_step)


def save_best(folder: Path, step: int, fill: Fill) -> None:
    """Keep these weights as the best so far; those that no checkpoint names any more go.

    Their name holds the step, so that a run that goes on from an older checkpoint finds the weights which that one
    calls the best, whatever was kept after it.
    """
    _write_sealed(folder / best_name(step), fill)
    _remove_unnamed_best(folder, step)


def take_best(folder: Path, step: int, target: Path) -> None:
    """Move the best weights to `target`, without their manifest; a second call finishes what a kill cut short."""
    if (folder / best_name(step)).is_dir():
        files.remove(target)
        files.rename(folder / best_name(step), target)
        files.sync(target.parent)
    files.remove(target / MANIFEST)


def check_best(folder: Path, step: int) -> None:
    """Raises ArtifactError where a file of the best weights is not what was written."""
    damage = _damage(folder / best_name(step))
    if damage is not None:
        raise ArtifactError(
            f"{folder / best_name(step)} is damaged ({damage}); run the same command again: it goes on from a "
            "checkpoint before these weights"
        )


def copy_best(source: Path, folder: Path, name: str | None) -> None:
    """Put the best weights of this name below `source` into `folder`, too, unless they are there."""
    if name is None or (folder / name).is_dir():
        return
    write_folder(folder / name, lambda place: shutil.copytree(source / name, place, dirs_exist_ok=True))


def _remove_unnamed_best(folder: Path, step: int | None) -> None:
    named = {best_name(step) if step is not None else None, *(best_of(place) for place in _complete(folder))}
    for place in sorted(folder.glob("best_*")):
        if place.name not in named:
            files.remove(place)


def best_name(step: int) -> str:
    """Name of the folder that holds the weights of this step, once the best."""
    return f"best_{step:010d}"


def newest(folder: Path) -> Checkpoint | None:
    """The newest valid checkpoint below `folder`, or None; warns, naming the file, about damaged ones."""
    for place in _undamaged(folder):
        try:
            return _read(place)
        except Exception as error:
            reason = str(error).partition("\n")[0]
            warnings.warn(f"checkpoint {place.name} cannot be read ({reason}); using an older one", stacklevel=2)
    if _complete(folder):
        warnings.warn(f"no checkpoint in {folder} is whole; starting from the beginning", stacklevel=2)
    return None


def newest_place(folder: Path, *, latest: int | None = None) -> Path | None:
    """Where the newest valid checkpoint up to step `latest` is; warns, naming the file, about damaged ones."""
    return next(_undamaged(folder, latest), None)


def last_good(folder: Path) -> str:
    """Which checkpoint is the last good one, in words."""
    return f"the last good checkpoint is {newest_place(folder) or 'the start: none was written yet'}"


def _write_sealed(final: Path, fill: Fill, best: str | None = None) -> None:
    """Write a folder whose manifest holds the hashes of its files and the name of the best weights beside it."""

    def fill_and_seal(place: Path) -> None:
        fill(place)
        write_json(place / MANIFEST, {"files": hash_tree(place, ["."]), "best": best})

    write_folder(final, fill_and_seal)


def _complete(folder: Path) -> list[Path]:
    return sorted(place for place in folder.glob("step_*") if place.suffix != ".partial")


def _step_of(place: Path) -> int:
    return int(place.name.removeprefix("step_"))


def _undamaged(folder: Path, latest: int | None = None) -> Iterator[Path]:
    """The valid checkpoints up to step `latest`, newest first."""
    places = [place for place in _complete(folder) if latest is None or _step_of(place) <= latest]
    for place in reversed(places):
        damage = _damage_in_all(place)
        if damage is None:
            yield place
        else:
            warnings.warn(f"checkpoint {place.name} is damaged ({damage}); using an older one", stacklevel=3)


def _damage_in_all(place: Path) -> str | None:
    """What is wrong with a checkpoint or with the best weights that it names; None where nothing is."""
    damage = _damage(place, (WEIGHTS, OPTIMIZER, RANDOM_STATE, COUNTS))
    best = best_of(place)
    if damage is not None or best is None:
        return damage
    of_best = _damage(place.parent / best)
    return None if of_best is None else f"{best}, the best weights: {of_best}"


def _damage(place: Path, required: tuple[str, ...] = ()) -> str | None:
    """What is wrong with a sealed folder, naming the file; None where nothing is."""
    if not (place / MANIFEST).is_file():
        return f"{MANIFEST} is missing"
    try:
        tree = read_json(place / MANIFEST)
        listed = dict(tree["files"])
    except Exception:
        return f"{MANIFEST} cannot be read"
    if set(tree) != {"files", "best"}:
        return f"{MANIFEST} has changed"
    if not listed:
        return "it is empty"
    for name in dict.fromkeys((*required, *listed)):
        if not (place / name).is_file():
            return f"{name} is missing"
        if listed.get(name) != hash_file(place / name):
            return f"{name} has changed"
    return None


def best_of(place: Path) -> str | None:
    """Name of the best weights that a checkpoint rests on; None also where its manifest is damaged."""
    try:
        best = read_json(place / MANIFEST)["best"]
    except Exception:
        return None
    return None if best is None else str(best)


def _read(place: Path) -> Checkpoint:
    best = best_of(place)
    return Checkpoint(
        step=_step_of(place),
        weights=load_file(place / WEIGHTS),
        optimizer=torch.load(place / OPTIMIZER, weights_only=True),
        random_state=torch.load(place / RANDOM_STATE, weights_only=True),
        counts=read_json(place / COUNTS),
        best_step=None if best is None else int(best.removeprefix("best_")),
    )
