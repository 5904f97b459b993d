"""Memory: telling that it ran out."""

import torch

CPU_MESSAGE = "can't allocate memory"
"""What torch says where the machine's memory, not an accelerator's, is at its end."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this error says that no more memory was to be had, on an accelerator or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_MESSAGE in str(error)
