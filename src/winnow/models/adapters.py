"""Adapters: from a recipe to PEFT's own configuration, checked before a model is at hand.

    config = adapter_config(recipe.training.adapter)

LoRA, rsLoRA and DoRA have fields of their own in the recipe; every other adapter of PEFT is asked for by its
`peft_type` and its own options, such as `{peft_type: IA3, target_modules: [k_proj], feedforward_modules: []}`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from winnow.errors import RecipeError, nearest
from winnow.recipe import LoraRecipe

OURS = {"task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping", "peft_version"}
"""Options of every PEFT configuration that winnow sets or PEFT writes."""
FAILURES = (ValueError, TypeError, AttributeError, KeyError, NotImplementedError)
"""What PEFT raises for options that it or the model cannot do."""


def adapter_config(adapter: LoraRecipe | Mapping[str, Any]) -> Any:
    """PEFT's configuration of an adapter of causal language models.

    Raises RecipeError for an unknown type, option or value, and for types that the loop cannot train.
    """
    return _lora(adapter) if isinstance(adapter, LoraRecipe) else _any(adapter)


def _lora(lora: LoraRecipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=lora.r, lora_alpha=lora.lora_alpha, lora_dropout=lora.lora_dropout, use_rslora=lora.use_rslora,
        use_dora=lora.use_dora, bias="none", task_type="CAUSAL_LM",
        target_modules=lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules),
    )  # fmt: skip


def _any(options: Mapping[str, Any]) -> Any:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    kinds = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    asked = options.get("peft_type")
    kind = str(asked).upper()
    if kind not in kinds:
        raise RecipeError(
            f"training.peft.peft_type is {asked!r}{nearest(kind, kinds)}; this PEFT has {', '.join(sorted(kinds))}"
        )
    own = {key: value for key, value in options.items() if key != "peft_type"}
    _check_keys(own, kinds[kind], kind)
    try:
        config = kinds[kind](task_type="CAUSAL_LM", **own)
    except FAILURES as error:
        raise RecipeError(f"training.peft: {one_line(error)}") from error
    _check_trainable(config, kind)
    return config


def _check_keys(own: Mapping[str, Any], config: type, kind: str) -> None:
    known = {field.name for field in dataclasses.fields(config) if field.init} - OURS - {"peft_type"}
    for key in own:
        if key in OURS:
            raise RecipeError(f"training.peft.{key} is set by winnow; remove it")
        if key not in known:
            raise RecipeError(
                f"unknown key training.peft.{key}{nearest(key, known)}; {kind} has {', '.join(sorted(known))}"
            )


def _check_trainable(config: Any, kind: str) -> None:
    """Raises RecipeError for types that need more of the loop than gradients of an example's own tokens."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    if config.is_prompt_learning:
        raise RecipeError(
            f"training.peft.peft_type {kind} puts virtual tokens before every example, which changes lengths, "
            "positions and FLOPs; use an adapter of weights, such as LORA or IA3"
        )
    tuner: Any = PEFT_TYPE_TO_TUNER_MAPPING.get(config.peft_type)
    if hasattr(tuner, "update_and_allocate") and getattr(config, "use_asa", True):
        raise RecipeError(
            f"training.peft.peft_type {kind} moves ranks between layers while it trains and adds to the loss, which "
            "the loop does not do; use LORA"
        )


def check_fits(model: Any, adapted: Any) -> None:
    """Raises RecipeError where an adapter cannot be merged into its model, which evaluation and export need."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in adapted.modules() if isinstance(module, BaseTunerLayer)]
    if not layers or any(type(layer).merge is BaseTunerLayer.merge for layer in layers):
        kind = next(iter(adapted.peft_config.values())).peft_type.value
        raise RecipeError(
            f"training.peft.peft_type {kind} cannot be merged into {type(model).__name__}; use another, such as LORA"
        )


def fits_transposed(config: Any, model: nn.Module) -> Any:
    """The configuration, told whether the model keeps its matrices transposed, as GPT-2 does."""
    if getattr(config, "fan_in_fan_out", None) is False:
        config.fan_in_fan_out = any(type(module).__name__ == "Conv1D" for module in model.modules())
    return config


def unfit(model: nn.Module, adapter: LoraRecipe | Mapping[str, Any], error: Exception) -> RecipeError:
    """What to say where PEFT cannot build the adapter on this model."""
    names = ", ".join(sorted({name.rsplit(".", 1)[-1] for name, m in model.named_modules() if hasattr(m, "weight")}))
    if not isinstance(adapter, LoraRecipe):
        return RecipeError(f"training.peft: {one_line(error)}; this model has {names}")
    targets = adapter.target_modules if isinstance(adapter.target_modules, str) else list(adapter.target_modules)
    return RecipeError(f"training.lora.target_modules is {targets}; this model has {names}")


def one_line(error: BaseException) -> str:
    """An error's message, without line breaks, cut."""
    return " ".join(str(error).split())[:200]
