"""Load, build, adapt and save causal language models.

A trained artifact holds `best/` and `last/`, each a full model or a PEFT adapter, and `start.json`, which names the
artifact that it started from, so that an adapter finds its base wherever the store stands. A `model` artifact holds
`model.json`, which points at a folder or hub name.
"""

import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from winnow.errors import ArtifactError, RecipeError, nearest
from winnow.models.activations import fuse_activations
from winnow.models.adapters import adapter_config, check_fits, check_found, fits_transposed, unfit
from winnow.models.configs import REFUSALS, check_config, fault_of_sizes, reason_of
from winnow.models.flops import pass_two_tokens
from winnow.models.folders import folder_of
from winnow.models.gpu_extra import check_gpu_extra
from winnow.models.merging import merge
from winnow.models.module_groups import with_modules
from winnow.models.opening import open_config, open_model, open_skeleton, put_on
from winnow.recipe import BaseRecipe, LoraRecipe
from winnow.records import Artifact, Stored
from winnow.store import read_json, read_record, write_json
from winnow.text.tokenizers import asked_pieces

MODEL_REFERENCE = "model.json"
START = "start.json"


def best_device() -> torch.device:
    """An accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_model(stored: Stored, checkpoint: str = "last") -> Any:
    """The causal language model of an artifact, float32, in evaluation mode, on the best device.

    Adapters come merged into their base. Raises ArtifactError or RecipeError where there is no model.
    """
    return fuse_activations(_load(stored, checkpoint)).to(best_device()).eval()


def has_whole_model(stored: Stored) -> bool:
    """Whether an artifact holds a model, not an adapter nor where a model is."""
    return (stored.folder / "last" / "config.json").is_file()


def _load(stored: Stored, checkpoint: str) -> Any:
    reference = stored.folder / MODEL_REFERENCE
    if reference.is_file():
        named = read_json(reference)
        return load_named(named["model"], revision=named["revision"])
    folder = stored.folder / checkpoint
    is_adapter = (folder / "adapter_config.json").is_file()
    if not is_adapter and not (folder / "config.json").is_file():
        raise ArtifactError(f"{folder} holds no model; remove {stored.folder} and run again")
    base = _load(start_of(stored), "last") if is_adapter else None
    try:
        return open_model(str(folder)) if base is None else merge(put_on(base, str(folder)))
    except RecipeError as error:
        raise ArtifactError(f"{error}; remove {stored.folder} and run again") from error


def load_quantised(stored: Stored, bits: Literal["4bit", "8bit"]) -> Any:
    """The whole model of an artifact on the GPU, in evaluation mode, its matrices in 4 bits (NF4, double quantisation;
    QLoRA, Dettmers et al. 2023) or 8 (LLM.int8, Dettmers et al. 2022), the rest float32.

    Raises RecipeError where GPU or package are missing.
    """
    from transformers import BitsAndBytesConfig

    check_gpu_extra(f"training.quantise {bits}")
    reference = stored.folder / MODEL_REFERENCE
    made_here = {"model": str(stored.folder / "last"), "revision": None}
    named: dict[str, Any] = read_json(reference) if reference.is_file() else made_here
    config = BitsAndBytesConfig(
        load_in_8bit=bits == "8bit", load_in_4bit=bits == "4bit", bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    how: dict[str, Any] = {"quantization_config": config, "device_map": {"": best_device()}}
    return fuse_activations(open_model(named["model"], named["revision"], **how)).eval()


def load_named(model: str, revision: str | None) -> Any:
    """The causal language model of a folder or hub name, float32. Raises RecipeError where there is none."""
    return open_model(model, revision)


def load_encoder(stored: Stored) -> Any:
    """The encoder that a model artifact points at, float32, in evaluation mode, on the best device, without a pooler.

    Raises RecipeError where there is none.
    """
    named = read_json(stored.folder / MODEL_REFERENCE)
    return load_named_encoder(named["model"], revision=named["revision"]).to(best_device()).eval()


def load_named_encoder(model: str, revision: str | None) -> Any:
    """The encoder of a folder or hub name, float32; its pooler, which serves another task, is left out.

    Raises RecipeError where there is none, or where the model also needs a decoder's input.
    """
    encoder = open_model(model, revision, is_encoder=True)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def start_of(stored: Stored) -> Stored:
    """The artifact that a trained one started from."""
    link = read_json(stored.folder / START)
    folder = stored.folder.parent.parent / link["kind"] / link["fingerprint"]
    return Stored(read_record(folder), folder)


def write_start(folder: Path, start: Artifact) -> None:
    """Remember in a trained artifact's folder what it started from."""
    write_json(folder / START, {"kind": start.kind, "fingerprint": start.fingerprint})


def build_config(architecture: dict[str, Any], **overrides: Any) -> Any:
    """A transformers configuration from `model_type` and sizes. Raises RecipeError for an unknown type or bad size."""
    from transformers import AutoConfig

    sizes = {key: value for key, value in architecture.items() if key != "model_type"} | overrides
    if "model_type" not in architecture:
        raise RecipeError("base architecture has no model_type; write, for example, model_type: gpt2")
    try:
        config = AutoConfig.for_model(architecture["model_type"], **sizes)
    except REFUSALS as error:
        raise _no_architecture(" ".join(str(error).split())) from error
    if (fault := fault_of_sizes(config)) is not None:
        raise _no_architecture(fault)
    return config


def _no_architecture(reason: str) -> RecipeError:
    return RecipeError(f"base architecture: {reason[:300]}")


def check_architecture(architecture: dict[str, Any]) -> None:
    """Raises RecipeError for an architecture in a recipe that is none, or has a key that its type does not know."""
    _check_architecture(written(architecture))


def written(architecture: Mapping[str, Any]) -> str:
    """An architecture as text, by which it is known again where it was looked at before."""
    return json.dumps(architecture, sort_keys=True, default=str)


@lru_cache
def _check_architecture(asked: str) -> None:
    architecture = json.loads(asked)
    config = build_config(architecture)
    known = {*type(config)().to_dict(), *config.attribute_map, "model_type"}
    for key in sorted(set(architecture) - known):
        raise RecipeError(f"base architecture: {architecture['model_type']} has no {key}{nearest(key, known)}")
    check_config("of base architecture", config)
    skeleton(architecture)


def build_model(architecture: dict[str, Any], *, seed: int, vocab_size: int, eos_id: int) -> Any:
    """A model with random weights drawn from `seed`, float32."""
    from transformers import AutoModelForCausalLM

    config = build_config(
        architecture, vocab_size=vocab_size, bos_token_id=eos_id, eos_token_id=eos_id, pad_token_id=eos_id
    )
    with seeded(seed):
        return fuse_activations(AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False))


def skeleton(architecture: dict[str, Any]) -> Any:
    """The model without weights, on the meta device, to count parameters and FLOPs.

    Raises RecipeError where transformers cannot build it, or it does not run.
    """
    from transformers import AutoModelForCausalLM

    config = _with_ends(build_config(architecture))
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
        pass_two_tokens(model)
    except REFUSALS as error:
        raise _no_architecture(reason_of(error)) from error
    return fuse_activations(model)


def _with_ends(config: Any) -> Any:
    """The configuration with end tokens inside its vocabulary, of which transformers warns."""
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if (getattr(config, name, None) or 0) >= config.vocab_size:
            setattr(config, name, 0)
    return config


def architecture_of(model: str, revision: str | None, declared: dict[str, Any] | None) -> dict[str, Any]:
    """The architecture of a folder or hub model; the declared one where the hub is out of reach.

    Of an adapter's folder it is that of its base, the adapter merged. Raises RecipeError where neither is to be had.
    """
    if folder_of(model) is not None:
        return dict(open_skeleton(model, revision).config.to_dict())
    try:
        # With a declared architecture at hand the hub is not asked: out of reach, it takes half a minute to say so.
        return dict(open_config(model, revision, local_files_only=declared is not None).to_dict())
    except RecipeError as error:
        if declared is not None and error.__cause__ is not None:
            return declared
        raise RecipeError(f"base.model is neither a folder nor a model that the hub gives: {error}") from error


def architecture_for(base: BaseRecipe, *, row_tokens: int | None = None) -> dict[str, Any]:
    """The architecture of the model that a recipe starts from, its vocabulary and context (`row_tokens`) included."""
    if base.from_scratch is not None and row_tokens is not None:
        architecture, own = base.from_scratch.sized(row_tokens), base.from_scratch.tokenizer
        check_architecture(architecture)
        # A vocabulary that is said needs no tokenizer, and so no hub; it is checked where the model is built.
        return architecture if "vocab_size" in architecture else {"vocab_size": asked_pieces(own)} | architecture
    if base.pretrain is None:
        assert base.model is not None
        return architecture_of(base.model, base.revision, base.architecture)
    check_architecture(base.pretrain.architecture)
    given = {"vocab_size": base.pretrain.tokenizer.vocab_size, "n_positions": base.pretrain.context_tokens}
    return given | base.pretrain.architecture


def adapt(model: Any, adapter: LoraRecipe | Mapping[str, Any], *, seed: int) -> Any:
    """The model with a fresh adapter (`training.adapter`), its base frozen.

    A LoRA that names no modules adapts the usual ones. Raises RecipeError for names or a rank that no module has.
    """
    from peft import get_peft_model

    adapter = with_modules(model, adapter)
    config = fits_transposed(adapter_config(adapter), model)
    check_found(model, config, "training.lora." if isinstance(adapter, LoraRecipe) else "training.peft: ")
    with seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT announces that it corrects fan_in_fan_out for mixed layers
        try:
            adapted = get_peft_model(model, config)
        except REFUSALS as error:
            raise unfit(model, adapter, error) from error
    check_fits(model, adapted)
    return adapted


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Stop training the weights whose name one of the regular expressions finds.

    Raises RecipeError where an expression is none or finds nothing, or nothing is left to train.
    """
    named = list(model.named_parameters())
    for pattern in patterns:
        try:
            found = [weight for name, weight in named if re.search(pattern, name)]
        except re.error as error:
            raise RecipeError(f"training.freeze {pattern!r} is no regular expression: {error}") from error
        if not found:
            names = ", ".join(name for name, _ in named[:3])
            raise RecipeError(f"training.freeze {pattern!r} matches no weight; this model has {names} ...")
        for weight in found:
            weight.requires_grad_(False)
    if not any(weight.requires_grad for _, weight in named):
        raise RecipeError(f"training.freeze {list(patterns)} leaves nothing to train; name fewer weights")


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The trained weights by name, detached."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def merged(model: Any) -> Any:
    """The model with its adapter merged into a copy of its base; a plain model, and a quantised one, as it is.

    Merging into a quantised base would round the adapter away.
    """
    if not hasattr(model, "peft_config") or getattr(model, "is_quantized", False):
        return model
    return merge(copy.deepcopy(model))


def save_model(model: Any, folder: Path, tokenizer: Any, base_name: str | None) -> None:
    """Write a full model or an adapter with its tokenizer, as transformers and PEFT read them."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if hasattr(model, "peft_config"):
        config = read_json(folder / "adapter_config.json")
        config["base_model_name_or_path"] = base_name or "base"
        for name, value in vars(model.peft_config["default"]).items():
            if isinstance(value, set):
                config[name] = sorted(value)  # whose order changes from run to run
        write_json(folder / "adapter_config.json", config)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty template; the study has its own card


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from `seed` inside the block, and leave its state as it was.

    Raises RecipeError for a seed that torch does not take.
    """
    if not 0 <= seed < 1 << 64:
        raise RecipeError(f"a seed is {seed}; it must lie in 0..2**64 - 1")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
