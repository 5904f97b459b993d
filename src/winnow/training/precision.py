"""In which precision a run multiplies matrices."""

import torch

DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float64": None}
"""Precision -> what autocast lowers products to; null where they stay in the weights' own dtype."""


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What products are lowered to, null for nothing; `auto` is bfloat16 where the device has it."""
    if precision != "auto":
        return DTYPES[precision]
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
