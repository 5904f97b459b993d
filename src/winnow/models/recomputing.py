"""Gradient checkpointing (Chen et al. 2016): layers keep their inputs alone and run again in the backward pass."""

import warnings
from typing import Any

from winnow.errors import RecipeError


def recompute_layers(model: Any) -> None:
    """Have every layer of the model, plain or with adapters, run again in the backward pass while it trains.

    Random numbers are drawn anew from the same state, so that results do not change. Raises RecipeError where the
    model has no such layers.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # its name in releases from 5.23 on is another one
            plain.gradient_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise RecipeError(
            f"training.gradient_checkpointing is true, but {type(plain).__name__} cannot run its layers again; "
            "set it to false and lower training.per_device_batch_size"
        ) from error
    # Only the reentrant kind needs inputs with gradients; here they would cost a backward pass below all adapters.
    plain.disable_input_require_grads()
