"""The one place where models are loaded: checked, as float32, adapters merged into what they are for.

    model = open_model("models/stories260K")
    skeleton = open_skeleton("models/stories260K")     # the same without contents: heads of files are read alone

Weights have to fit their configuration to the last tensor: what is missing would be random numbers, what is additional
belongs to another model. Code that a model brings along is never run, and pickled weights are never read.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from winnow.models.adapters import check_mergeable
from winnow.models.configs import REFUSALS, check_config, reason_of
from winnow.models.folders import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    adapter_chain,
    check_adapter_files,
    check_whole,
    folder_of,
    read_object,
    unusable,
)
from winnow.models.merging import merge, unite

SHOWN = 3
"""Tensors named in a message."""


def open_model(name: str, revision: str | None = None, *, is_encoder: bool = False, **how: Any) -> Any:
    """The model of a folder or hub name, float32; an adapter merged into its base. `how` goes to transformers.

    Raises RecipeError, naming the model, where there is none, or one that does not hold what it says.
    """
    whole, *adapters = reversed(adapter_chain(name))
    if adapters and how:
        raise unusable(name, "it is an adapter, and training.quantise takes a whole model", "merge it first")
    model = _open_whole(whole, None if adapters else revision, is_encoder=is_encoder, **how)
    for adapter in adapters:
        model = merge(put_on(model, adapter))
    return model


def open_skeleton(name: str, revision: str | None = None, *, is_encoder: bool = False) -> Any:
    """The model as `open_model` gives it, on the meta device. Of a hub model the weights are fetched."""
    whole, *adapters = reversed(adapter_chain(name))
    model = _open_whole(whole, None if adapters else revision, is_encoder=is_encoder, device_map={"": "meta"})
    for adapter in adapters:
        model = unite(put_on(model, adapter))
    return model


def _open_whole(name: str, revision: str | None, *, is_encoder: bool, **how: Any) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM

    folder = folder_of(name)
    if folder is not None:
        check_whole(name, folder)
    place = name if folder is None else str(folder)
    config = open_config(place, revision, is_encoder=is_encoder)
    family: Any = AutoModel if is_encoder else AutoModelForCausalLM
    with refused(name):
        model, found = family.from_pretrained(
            place, revision=revision, config=config, dtype=torch.float32, output_loading_info=True,
            trust_remote_code=False, use_safetensors=True, **how,
        )  # fmt: skip
    if getattr(model, "_hf_peft_config_loaded", False):
        raise unusable(name, "it is an adapter at the hub", "download it into a folder, and name that")
    _check_fit(name, model, found, is_encoder)
    _check_tie(name, model)
    return model


def open_config(name: str, revision: str | None, *, is_encoder: bool = False, **how: Any) -> Any:
    """The checked configuration of a whole model. Raises RecipeError."""
    from transformers import AutoConfig

    with refused(name):
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False, **how)
    check_config(name, config, is_encoder=is_encoder)
    return config


def put_on(model: Any, name: str) -> Any:
    """The model with the adapter of a folder on it, not merged. Raises RecipeError where a tensor does not fit."""
    from peft import PeftConfig, PeftModel, get_peft_model

    folder = Path(name).expanduser()
    check_adapter_files(name, folder)
    task = read_object(folder / ADAPTER_CONFIG, name).get("task_type")
    if task not in (None, "CAUSAL_LM", "FEATURE_EXTRACTION"):
        raise unusable(name, f"it is an adapter for {task}", "take one of task_type CAUSAL_LM")
    with refused(name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what PEFT warns of is checked below
        config = PeftConfig.from_pretrained(str(folder))
        check_mergeable(config, name)
        is_hollow = next(model.parameters()).is_meta
        adapted = get_peft_model(model, config) if is_hollow else PeftModel.from_pretrained(model, str(folder))
    _check_adapter_fit(name, adapted, folder)
    return adapted


@contextmanager
def refused(name: object) -> Iterator[None]:
    """Inside the block whatever the libraries raise for a model that is none becomes a RecipeError naming it."""
    try:
        yield
    except REFUSALS as error:
        raise unusable(name, reason_of(error)) from error


def _check_fit(name: str, model: Any, found: dict[str, Any], is_encoder: bool) -> None:
    missing, additional = set(found["missing_keys"]), set(found["unexpected_keys"])
    if is_encoder:
        missing = {key for key in missing if not key.startswith("pooler.")}
        additional = {key for key in additional if _is_inside(key, model)}
    told = [f"the weights lack {_some(missing)}"] if missing else []
    told += [f"the model does not know {_some(additional)}"] if additional else []
    told += [f"{key} is {there} and has to be {asked}" for key, there, asked in sorted(found["mismatched_keys"])[:1]]
    told += list(found["error_msgs"])[:1]
    if told:
        raise unusable(
            name, f"weights and config.json ({model.config.model_type}) do not fit: {' and '.join(told)}",
            "take weights and configuration of one model",
        )  # fmt: skip


def _check_tie(name: str, model: Any) -> None:
    """Raises RecipeError where head and embedding are one by the configuration, and two that differ by the weights."""
    head = model.get_output_embeddings()
    is_tied = getattr(model.config, "tie_word_embeddings", False) and bool(model._tied_weights_keys)
    if head is None or head.weight.is_meta or not is_tied or head.weight is model.get_input_embeddings().weight:
        return
    raise unusable(
        name, "config.json ties head and embedding (tie_word_embeddings), and its weights hold two that differ",
        "set tie_word_embeddings to false, if the weights are right",
    )  # fmt: skip


def _is_inside(key: str, encoder: nn.Module) -> bool:
    """Whether a tensor belongs to the encoder, and not to a head on it, which is left out."""
    prefix = f"{encoder.base_model_prefix}."
    inner = key.removeprefix(prefix)
    return key != inner or inner.partition(".")[0] in dict(encoder.named_children())


def _check_adapter_fit(name: str, adapted: Any, folder: Path) -> None:
    """Raises RecipeError where the adapter's file holds other tensors than its configuration asks for."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    needed, asked = (get_peft_model_state_dict(adapted, save_embedding_layers=each) for each in (False, True))
    asked = {key: tuple(tensor.shape) for key, tensor in asked.items()}
    missing, additional = needed.keys() - shapes.keys(), shapes.keys() - asked.keys()
    other = [key for key in asked.keys() & shapes.keys() if asked[key] != shapes[key]]
    told = [f"the weights lack {_some(missing)}"] if missing else []
    told += [f"{_some(additional)} belong to none of its modules"] if additional else []
    told += [f"{key} is {shapes[key]} and has to be {asked[key]}" for key in sorted(other)[:1]]
    if told:
        raise unusable(
            name, f"{ADAPTER_WEIGHTS} does not fit: {' and '.join(told)}", f"look at {ADAPTER_CONFIG} and its base"
        )


def _some(keys: Any) -> str:
    shown = ", ".join(sorted(keys)[:SHOWN])
    return f"{shown} and {len(keys) - SHOWN} more" if len(keys) > SHOWN else shown
