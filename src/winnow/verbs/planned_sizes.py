"""What training takes, worked out on the model without its weights: FLOPs, bytes of an adapter's file, peak memory.

Needs torch and builds the model, seconds of CPU time; `remembered.py` asks once for each question.
"""

from typing import Any

from winnow.models import loading
from winnow.models.attention_dropout import set_attention_dropout
from winnow.models.costs import FlopModel, PeakMemory
from winnow.models.file_sizes import adapter_bytes
from winnow.models.flops import flop_model
from winnow.recipe import Recipe, TrainingRecipe
from winnow.training.fitting import cut_shares, per_device
from winnow.training.peak_memory import predict
from winnow.verbs.known_sizes import largest_of, start_tokens_of
from winnow.verbs.planned_pool import PlannedPool


def skeleton(recipe: Recipe, training: TrainingRecipe) -> Any:
    """The base model without its weights, adapted as this section says."""
    model = loading.skeleton(loading.architecture_for(recipe.base, row_tokens=recipe.row_tokens))
    loading.freeze(model, training.freeze)
    if training.attention_dropout is not None:
        set_attention_dropout(model, training.attention_dropout)
    return loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model


def costs_of(recipe: Recipe) -> FlopModel:
    """FLOPs of an example of any length."""
    return flop_model(skeleton(recipe, recipe.training))


def adapter_bytes_of(recipe: Recipe) -> int:
    """Size of the file of a run's adapter."""
    return adapter_bytes(skeleton(recipe, recipe.training))


def peak_of(recipe: Recipe, training: TrainingRecipe, pool: PlannedPool) -> PeakMemory:
    """Memory of one device at the worst moment of a run."""
    model, devices = skeleton(recipe, training), recipe.machine.devices
    cut = cut_shares(model) if training.sharding == "full" and devices > 1 else None
    peak = predict(model, training, largest_of(recipe, training, pool))
    return per_device(peak, cut, devices, has_copy=start_tokens_of(recipe) is not None) if cut else peak
