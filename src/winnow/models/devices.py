"""Whether this machine may have an accelerator, told without torch, which takes two seconds to import."""

import sys
from pathlib import Path

DEVICES = Path("/dev")
NODES = "nvidia*", "nvhost*", "nvgpu*", "nvmap", "kfd", "dxg"
"""What Linux shows of a GPU that torch could use: NVIDIA's cards and boards, AMD's, and a host's through WSL."""


def may_have_accelerator() -> bool:
    """False where torch can find none; where this is true, torch is to be asked."""
    if not sys.platform.startswith("linux"):
        return True
    return any(next(DEVICES.glob(pattern), None) is not None for pattern in NODES)
