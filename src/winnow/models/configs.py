"""Whether a model's configuration is one that can be built and trained, told before anything is built."""

import re
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from winnow.models.folders import unusable
from winnow.models.known_configs import LARGEST

REFUSALS = (
    OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RuntimeError,
    ImportError, MemoryError, re.error, SafetensorError, StrictDataclassError,
)  # fmt: skip
"""What transformers, PEFT, safetensors and torch raise for configurations and weights that are none."""


def reason_of(error: BaseException) -> str:
    """The first line of what a library says, with the kind of error where the line alone says little."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if "custom code" in first:
        return "it brings code of its own, which is never run; take a model of a type that transformers has"
    says_enough = isinstance(error, OSError | ValueError | RuntimeError | StrictDataclassError) and first
    return (first if says_enough else f"{type(error).__name__}: {first}")[:300]


def check_config(name: str, config: Any, *, is_encoder: bool = False) -> None:
    """Raises RecipeError for a model of another kind, of sizes that cannot be, or whose weights are quantised."""
    fault = _fault_of_kind(config, is_encoder) or fault_of_sizes(config)
    if fault is None and getattr(config, "quantization_config", None):
        fault = "its weights are quantised; take the whole ones (training.quantise makes them small by itself)"
    if fault is not None:
        raise unusable(name, fault)


def _fault_of_kind(config: Any, is_encoder: bool) -> str | None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, MODEL_MAPPING

    kind, is_both = config.model_type, bool(getattr(config, "is_encoder_decoder", False))
    if is_both:
        wanted = "embeddings need a model of an encoder alone" if is_encoder else "training needs a decoder alone"
        return f"it is an encoder with a decoder ({kind}); {wanted}"
    if type(config) not in (MODEL_MAPPING if is_encoder else MODEL_FOR_CAUSAL_LM_MAPPING):
        return f"{kind} is no {'encoder' if is_encoder else 'causal language model'} that transformers knows"
    is_masked = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    if is_masked and not is_encoder:
        return f"{kind} sees what follows a token, and cannot learn to predict it; take a causal language model"
    return _fault_of_names(config)


def _fault_of_names(config: Any) -> str | None:
    """Where `architectures` names a class of another type of model than `model_type` does."""
    import transformers

    for name in config.architectures or ():
        own = getattr(getattr(transformers, str(name), None), "config_class", None)
        if own is not None and not isinstance(config, own) and not isinstance(config.get_text_config(), own):
            return f"config.json says model_type {config.model_type} and architectures {name}, which contradict"
    return None


def fault_of_sizes(config: Any) -> str | None:
    """What is wrong with the sizes of a configuration; None where nothing is."""
    inner = config.get_text_config()
    for name, largest in LARGEST.items():
        size = getattr(inner, name, None)
        if size is None or isinstance(size, list | tuple):
            continue
        spelt = inner.attribute_map.get(name, name)
        if isinstance(size, bool) or not isinstance(size, int):
            return f"{spelt} is {str(size)[:40]!r}, which is no whole number"
        if not 1 <= size <= largest:
            return f"{spelt} is {size}; it must lie in 1..{largest}"
    return None
