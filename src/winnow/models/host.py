"""What this machine computes on and how much memory that has; torch is asked only where there may be an accelerator."""

import os
from pathlib import Path

from winnow.models.devices import may_have_accelerator
from winnow.recipe import MachineRecipe

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much a container may take."""


def kind_of_device() -> str:
    """The type of torch's device that models run on here."""
    if not may_have_accelerator():
        return "cpu"
    from winnow.models.loading import best_device

    return best_device().type


def device_bytes(machine: MachineRecipe) -> int:
    """Memory of one device: declared, else the accelerator's here, else this host's or its container's limit."""
    if machine.memory_bytes is not None:
        return machine.memory_bytes
    if kind_of_device() == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).total_memory)
    limits = [path.read_text().strip() for path in LIMITS if path.is_file()]
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([host, *(int(limit) for limit in limits if limit.isdigit())])
