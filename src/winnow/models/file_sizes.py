"""Sizes of files of weights, from the tensors' names and shapes alone."""

import json
from collections.abc import Mapping
from typing import Any

import torch

SAFETENSORS_KINDS = {
    torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""How a weights file names what its tensors hold."""


def adapter_bytes(model: Any) -> int:
    """Size of the adapter file, from names and shapes alone: 8 + header padded to 8 + the tensors.

    The header is the compact JSON that safetensors writes, so the figure is exact; it works on the meta device.
    """
    from peft import get_peft_model_state_dict

    return _safetensors_bytes(get_peft_model_state_dict(model))


def _safetensors_bytes(tensors: Mapping[str, torch.Tensor]) -> int:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        tensor, start = tensors[name], offset
        offset += tensor.numel() * tensor.element_size()
        kind = SAFETENSORS_KINDS[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, offset]}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-length // 8) * 8 + offset
