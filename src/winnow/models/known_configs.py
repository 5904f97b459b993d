"""Configurations of well-known architectures, read without transformers: sizes under the names that Llama has.

    sizes_of({"model_type": "gpt2", "n_layer": 2})["num_hidden_layers"]

Where anything in a configuration is not understood to the last key there is no answer, and whoever asks builds the
model instead: a guess would be worse.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST = {
    "num_hidden_layers": 1000, "hidden_size": 1 << 17, "num_attention_heads": 1 << 12, "num_key_value_heads": 1 << 12,
    "head_dim": 1 << 14, "intermediate_size": 1 << 21, "vocab_size": 1 << 24, "max_position_embeddings": 1 << 27,
}  # fmt: skip
"""Sizes that no model comes near; a larger one is a slip, and building it would take hours."""
ACTIVATIONS = "silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"
Sizes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures that are told by the same keys."""

    class_name: str
    defaults: Mapping[str, Any]
    """Keys of sizes, and what transformers takes where a configuration says nothing; null: follows from the others."""
    fixed: Mapping[str, bool] = field(default_factory=dict)
    """What no key of this family changes."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Its own names of sizes -> Llama's."""
    attention_dropout: tuple[str, float] = ("attention_dropout", 0.0)
    """Key and default of what is dropped of the attention's weights."""
    residual_dropout: tuple[str, float] = ("", 0.0)
    """The same of what a layer adds to the stream."""


_GPT2 = Family(
    "GPT2LMHeadModel",
    {
        "vocab_size": 50257, "max_position_embeddings": 1024, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": None, "tie_word_embeddings": True,
    },
    aliases={
        "n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
        "n_inner": "intermediate_size", "n_positions": "max_position_embeddings",
    },
    attention_dropout=("attn_pdrop", 0.1), residual_dropout=("resid_pdrop", 0.1),
)  # fmt: skip
_LLAMA_SIZES = {
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": None, "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}  # fmt: skip
_QWEN_SIZES = {
    **_LLAMA_SIZES, "vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32,
    "max_position_embeddings": 32768,
}  # fmt: skip
_PLAIN = {"attention_bias": False, "mlp_bias": False, "query_bias": False, "query_norm": False}
FAMILIES = {
    "gpt2": _GPT2,
    "llama": Family(
        "LlamaForCausalLM", {**_LLAMA_SIZES, "head_dim": None, "attention_bias": False, "mlp_bias": False}, _PLAIN
    ),
    "mistral": Family(
        "MistralForCausalLM",
        {
            **_LLAMA_SIZES, "head_dim": None, "intermediate_size": 14336, "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
        },
        _PLAIN,
    ),
    "qwen2": Family("Qwen2ForCausalLM", _QWEN_SIZES, {**_PLAIN, "query_bias": True}),
    "qwen3": Family(
        "Qwen3ForCausalLM", {**_QWEN_SIZES, "head_dim": 128, "attention_bias": False}, {**_PLAIN, "query_norm": True}
    ),
    "smollm3": Family(
        "SmolLM3ForCausalLM",
        {
            **_LLAMA_SIZES, "vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 36,
            "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 32768,
            "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False,
        },
        _PLAIN,
    ),
}  # fmt: skip
"""`model_type` -> its family."""


def sizes_of(architecture: Mapping[str, Any]) -> Sizes | None:
    """The sizes that a configuration gives, its type's defaults filled in; None where it is not wholly understood.

    Of `attention_dropout` and `residual_dropout` whether there is any.
    """
    family = FAMILIES.get(str(architecture.get("model_type")))
    if family is None or architecture.get("architectures") not in (None, [family.class_name]):
        return None
    given = {family.aliases.get(key, key): value for key, value in architecture.items()}
    if len(given) < len(architecture) or not all(_is_understood(key, each, family) for key, each in given.items()):
        return None
    sizes = {**family.fixed, **family.defaults, **{key: given[key] for key in family.defaults if key in given}}
    for place in ("attention_dropout", "residual_dropout"):
        sizes[place] = architecture.get(*getattr(family, place)) > 0
    return _filled(sizes) if _are_possible(sizes) else None


def _filled(sizes: dict[str, Any]) -> Sizes:
    """The sizes with those that follow from others."""
    follows = {
        "num_key_value_heads": sizes["num_attention_heads"],
        "head_dim": sizes["hidden_size"] // sizes["num_attention_heads"],
        "intermediate_size": 4 * sizes["hidden_size"],
    }
    return sizes | {key: value for key, value in follows.items() if sizes.get(key) is None}


def _are_possible(sizes: Sizes) -> bool:
    """Whether each is a size that can be, and heads divide what they have to."""
    given = {key: sizes[key] for key in LARGEST if sizes.get(key) is not None}
    if not all(1 <= size <= LARGEST[key] for key, size in given.items()):
        return False
    heads = sizes["num_attention_heads"]
    return bool(sizes["hidden_size"] % heads == 0 == heads % given.get("num_key_value_heads", heads))


def _is_understood(key: str, value: Any, family: Family) -> bool:
    """Whether a key is one whose meaning is known, and its value a possible one."""
    if key not in family.defaults:
        return key in _HARMLESS and bool(_HARMLESS[key](value))
    default = family.defaults[key]
    if isinstance(default, bool):
        return isinstance(value, bool)
    return _is_count(value) or (value is None and default is None)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _is_id(value: Any) -> bool:
    return value is None or (_is_count(value) and value >= 0)


def _is_share(value: Any) -> bool:
    return _is_number(value, 1)


def _is_plain_rope(value: Any) -> bool:
    """Whether positions are turned in the usual way; other ways have rules of their own."""
    if not isinstance(value, dict):
        return value is None
    is_usual = value.get("rope_type", "default") == "default" and _is_number(value.get("rope_theta", 1), 1e12)
    return is_usual and value.keys() <= {"rope_theta", "rope_type"}


def _keys(names: str, is_possible: Callable[[Any], bool]) -> dict[str, Callable[[Any], bool]]:
    return dict.fromkeys(names.split(), is_possible)


_HARMLESS = {
    **_keys("model_type architectures", lambda value: True),  # looked at before
    **_keys("_name_or_path _model_name_or_path transformers_version", lambda value: isinstance(value, str)),
    **_keys("dtype torch_dtype", lambda value: value in ("float32", "float16", "bfloat16", None)),
    **_keys("bos_token_id eos_token_id pad_token_id unk_token_id", _is_id),
    **_keys("use_cache scale_attn_weights", lambda value: isinstance(value, bool)),
    **_keys("initializer_range attention_dropout resid_pdrop embd_pdrop attn_pdrop", _is_share),
    **_keys("rms_norm_eps layer_norm_epsilon", _is_share),
    **_keys("hidden_act activation_function", lambda value: value in ACTIVATIONS),
    **_keys("add_cross_attention scale_attn_by_inverse_layer_idx", lambda value: value is False),
    **_keys("reorder_and_upcast_attn use_sliding_window", lambda value: value is False),
    **_keys("sliding_window max_window_layers n_ctx n_positions", lambda value: value is None or _is_count(value)),
    **_keys("rope_scaling layer_types", lambda value: value is None),
    **_keys("pretraining_tp", lambda value: value == 1),
    **_keys("rope_theta", lambda value: _is_number(value, 1e12)),
    **_keys("rope_parameters", _is_plain_rope),
}
"""Keys that change no shape, with what their values may be."""
