"""Whether a run fits into a device's memory, and what would make it fit."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from winnow.models import loading
from winnow.printing import memory
from winnow.recipe import LoraRecipe, MachineRecipe, TrainingRecipe
from winnow.training.peak_memory import MicroBatch, PeakMemory

Predict = Callable[[TrainingRecipe, MicroBatch], PeakMemory]

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much a container may take."""


def device_bytes(machine: MachineRecipe) -> int:
    """Memory of one device: declared, else the accelerator's here, else this host's or its container's limit."""
    if machine.memory_bytes is not None:
        return machine.memory_bytes
    if loading.best_device().type == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    limits = [path.read_text().strip() for path in LIMITS if path.is_file()]
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([host, *(int(limit) for limit in limits if limit.isdigit())])


def per_device(peak: PeakMemory, training: TrainingRecipe, devices: int) -> PeakMemory:
    """What one of several devices holds: its share of all state where that is cut over them, else all of it."""
    if training.sharding == "none":
        return peak
    return replace(
        peak,
        weights_bytes=peak.weights_bytes // devices,
        gradients_bytes=peak.gradients_bytes // devices,
        optimizer_bytes=peak.optimizer_bytes // devices,
    )


def ways_to_fit(predict: Predict, training: TrainingRecipe, largest: MicroBatch, room: int) -> list[str]:
    """Changes of a recipe, as `--set` takes them, that each alone bring a run below `room` bytes; empty if none."""
    options = [*_smaller_micro_batches(training, largest), *((change, largest) for change in _other_changes(training))]
    found: list[str] = []
    for change, batch in options:
        is_smaller_batch = "per_device_batch_size" in change
        if is_smaller_batch and any("per_device_batch_size" in way for way in found):
            continue
        total = predict(training.model_copy(update=change), batch).total_bytes
        if total <= room:
            where = ", on a GPU" if change.keys() & {"optimizer", "quantise"} else ""
            found.append(f"{' '.join(_settings(change))} ({memory(total)}{where})")
    return found


def _settings(change: dict[str, object]) -> Iterator[str]:
    for key, value in change.items():
        if isinstance(value, LoraRecipe):
            yield f"training.{key}.target_modules={value.target_modules}"
        else:
            yield f"training.{key}={str(value).lower()}"


def _smaller_micro_batches(training: TrainingRecipe, largest: MicroBatch) -> list[tuple[dict[str, object], MicroBatch]]:
    """The same global batch in more micro-batches, fewest first."""
    rows = training.per_device_batch_size
    sizes = [size for size in range(rows - 1, 0, -1) if rows % size == 0]
    return [
        (
            {
                "per_device_batch_size": size,
                "gradient_accumulation_steps": training.gradient_accumulation_steps * rows // size,
            },
            replace(largest, rows=size, targets=-(-largest.targets * size // rows)),
        )
        for size in sizes
    ]


def _other_changes(training: TrainingRecipe) -> list[dict[str, object]]:
    changes: list[dict[str, object]] = []
    if not training.gradient_checkpointing:
        changes.append({"gradient_checkpointing": True})
    if training.method == "full":
        changes.append({"method": "lora", "lora": LoraRecipe(target_modules="all-linear")})
    if training.method == "full" and training.optimizer == "adamw":
        changes.append({"optimizer": "adamw_8bit"})
    if training.method == "lora" and training.quantise is None:
        changes.append({"quantise": "4bit"})
    return changes
