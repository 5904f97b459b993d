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
from winnow.models.configs import REFUSALS
from winnow.models.families import ALL_LINEAR, usual_modules
from winnow.models.flops import pass_two_tokens
from winnow.models.folders import unusable
from winnow.models.merging import rehearse_merge
from winnow.models.module_groups import check_rank
from winnow.recipe import LoraRecipe

OURS = {"task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping", "peft_version"}
"""Options of every PEFT configuration that winnow sets or PEFT writes."""


def adapter_config(adapter: LoraRecipe | Mapping[str, Any]) -> Any:
    """PEFT's configuration of an adapter of causal language models; of a LoRA with its modules named.

    Raises RecipeError for an unknown type, option or value, and for types that the loop cannot train.
    """
    return _lora(adapter) if isinstance(adapter, LoraRecipe) else _any(adapter)


def _lora(lora: LoraRecipe) -> Any:
    from peft import LoraConfig

    assert lora.target_modules is not None
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
    except REFUSALS as error:
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


def check_mergeable(config: Any, name: str) -> None:
    """Raises RecipeError where an adapter of a folder is of a kind that stays beside its model."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    if config.is_prompt_learning or config.peft_type not in PEFT_TYPE_TO_TUNER_MAPPING:
        kind = getattr(config.peft_type, "value", config.peft_type)
        raise unusable(name, f"it is an adapter of type {kind}, which cannot be merged into its base", "take another")


def check_fits(model: Any, adapted: Any) -> None:
    """Raises RecipeError where an adapter does not run, or has a rank that no matrix has, or cannot be merged into its
    model, as evaluation and export do.

    Tried on a copy without contents; a quantised model is not merged into, and is not tried.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in adapted.modules() if isinstance(module, BaseTunerLayer)]
    config = next(iter(adapted.peft_config.values()))
    if config.peft_type.value == "LORA":
        check_rank(adapted, config.r)
    where = f"training.peft.peft_type {config.peft_type.value} cannot be merged into {type(model).__name__}"
    if not layers or any(type(layer).merge is BaseTunerLayer.merge for layer in layers):
        raise RecipeError(f"{where}; use another, such as LORA")
    if getattr(model, "is_quantized", False):
        return
    try:
        if not next(adapted.parameters()).is_meta:
            _run(adapted)
        rehearse_merge(adapted)
    except REFUSALS as error:
        raise RecipeError(f"{where} as asked ({one_line(error)}); use another, such as LORA") from error


def _run(adapted: Any) -> None:
    was_training = adapted.training
    pass_two_tokens(adapted.eval())
    adapted.train(was_training)


def check_found(model: nn.Module, config: Any, where: str) -> None:
    """Raises RecipeError where one of the modules that an adapter is asked for is not there, which PEFT passes over."""
    names = [name for name, _ in model.named_modules()]
    for key in ("target_modules", "modules_to_save"):
        given = getattr(config, key, None)
        asked = sorted(given) if isinstance(given, list | set | tuple) else []
        for each in asked:
            if not any(name == each or name.endswith(f".{each}") for name in names):
                raise RecipeError(
                    f"{where}{key} is {asked}; this model has {_modules(model)}, not {each}; {_remedy(model, key)}"
                )


def fits_transposed(config: Any, model: nn.Module) -> Any:
    """The configuration, told whether the model keeps its matrices transposed, as GPT-2 does."""
    if getattr(config, "fan_in_fan_out", None) is False:
        config.fan_in_fan_out = any(type(module).__name__ == "Conv1D" for module in model.modules())
    return config


def unfit(model: nn.Module, adapter: LoraRecipe | Mapping[str, Any], error: Exception) -> RecipeError:
    """What to say where PEFT cannot build the adapter on this model."""
    if not isinstance(adapter, LoraRecipe):
        return RecipeError(f"training.peft: {one_line(error)}; this model has {_modules(model)}")
    given = adapter.target_modules
    targets = list(given) if isinstance(given, tuple) else given
    asked = f"training.lora.target_modules is {targets}"
    remedy = _remedy(model, "target_modules")
    return RecipeError(f"{asked}; this model has {_modules(model)} ({one_line(error)}); {remedy}")


def _remedy(model: nn.Module, key: str) -> str:
    """What to write instead of modules that a model does not have."""
    if key != "target_modules":
        return f"mend {key}, or leave it out"
    usual = usual_modules(getattr(getattr(model, "config", None), "model_type", None))
    told = usual if isinstance(usual, str) else ", ".join(usual)
    return f"leave target_modules out for {told}, or write {ALL_LINEAR}"


def _modules(model: nn.Module) -> str:
    """Last parts of the names of the modules that have weights."""
    return ", ".join(sorted({name.rsplit(".", 1)[-1] for name, m in model.named_modules() if hasattr(m, "weight")}))


def one_line(error: BaseException) -> str:
    """An error's message, without line breaks, cut."""
    return " ".join(str(error).split())[:200]
