"""Sizes of files of weights, from the tensors' names and shapes alone."""

import json
import math
from collections.abc import Mapping
from typing import Any

from winnow.models.layouts import Shape

SAFETENSORS_KINDS = {
    "float64": "F64", "float32": "F32", "bfloat16": "BF16", "float16": "F16", "int64": "I64", "int32": "I32",
    "int16": "I16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
"""How a weights file names what its tensors hold, by torch's names."""


def adapter_bytes(model: Any) -> int:
    """Size of the file of a model's adapter; it works on the meta device."""
    from peft import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(model).items()
    kinds = {name: (str(tensor.dtype).removeprefix("torch."), tensor.element_size()) for name, tensor in tensors}
    return _safetensors_bytes({name: (*kinds[name], tuple(tensor.shape)) for name, tensor in tensors})


def float32_bytes(shapes: Mapping[str, Shape]) -> int:
    """Size of a file of float32 tensors of these names and shapes."""
    return _safetensors_bytes({name: ("float32", 4, shape) for name, shape in shapes.items()})


def _safetensors_bytes(tensors: Mapping[str, tuple[str, int, Shape]]) -> int:
    """8 + header padded to 8 + the tensors, each given by what it holds, bytes of a value and shape.

    The header is the compact JSON that safetensors writes, so the figure is exact.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name][1], name)):
        kind, size, shape = tensors[name]
        start, offset = offset, offset + math.prod(shape) * size
        header[name] = {"dtype": SAFETENSORS_KINDS[kind], "shape": list(shape), "data_offsets": [start, offset]}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-length // 8) * 8 + offset
