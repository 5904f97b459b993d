"""What is known of a model before torch is imported: its architecture, its type, and which modules an adapter adapts.

usual_modules("llama")        # ("q_proj", "v_proj")
"""

import ast
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from winnow.errors import WinnowError
from winnow.recipe import BaseRecipe
from winnow.store import read_json

TABLE = "TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING"
"""How PEFT calls its table, in utils/constants.py."""
EARLIER = ("c_attn", "c_proj")
EARLIER_TYPES = "gpt2", "gpt_bigcode"
"""Types of models with these modules, which every study adapted before the table was asked."""
ALL_LINEAR = "all-linear"

Modules = tuple[str, ...] | str


def usual_modules(model_type: str | None) -> Modules:
    """The modules that PEFT adapts in models of this type; `all-linear` where its table has no such type."""
    return EARLIER if model_type in EARLIER_TYPES else _table().get(model_type or "", ALL_LINEAR)


@cache
def _table() -> Mapping[str, Modules]:
    """PEFT's table, taken from the text of its file: importing PEFT imports torch, which takes seconds."""
    spec = find_spec("peft")
    assert spec is not None and spec.origin is not None
    text = (Path(spec.origin).parent / "utils" / "constants.py").read_text(encoding="utf-8")
    found = next(
        node.value for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == TABLE
    )  # fmt: skip
    return {name: each if isinstance(each, str) else tuple(each) for name, each in ast.literal_eval(found).items()}


def known_architecture(base: BaseRecipe) -> dict[str, Any]:
    """What is known of the base model's architecture without a look at the hub; nothing where that is nothing."""
    if base.pretrain is not None:
        return {"n_positions": base.pretrain.context_tokens} | base.pretrain.architecture
    if base.from_scratch is not None:
        return base.from_scratch.architecture
    config = Path(base.model or "").expanduser() / "config.json"
    if base.model and config.is_file():
        try:
            found = read_json(config)
        except WinnowError:
            return {}
        return found if isinstance(found, dict) else {}
    return base.architecture or {}


def num_parameters(model: str) -> int | None:
    """Weights of a folder's safetensors files, by their heads; of another name what it says, such as 135M; or None."""
    files = sorted(Path(model).expanduser().glob("*.safetensors"))
    if files:
        return sum(map(_weights_in, files))
    told = re.search(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([MB])(?![A-Za-z0-9])", model, re.IGNORECASE)
    return None if told is None else int(float(told[1]) * {"M": 1e6, "B": 1e9}[told[2].upper()])


def _weights_in(path: Path) -> int:
    with path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(each["shape"]) for name, each in head.items() if name != "__metadata__")
