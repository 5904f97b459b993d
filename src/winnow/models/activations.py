"""Activations as one operation of torch, where transformers writes a formula out.

GELU's approximation by tanh (Hendrycks and Gimpel 2016), as GPT-2 and its kin have it, is eight operations there, each
over the widest tensors of the model, and its parts are kept for the backward pass. The values are the same but for
their last bits; configurations and saved models say nothing of it.
"""

from typing import Any

from torch import nn


def fuse_activations(model: Any) -> Any:
    """The model, in place, every GELU that is written out made one operation."""
    from transformers.activations import NewGELUActivation

    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is NewGELUActivation:
                setattr(parent, name, nn.GELU(approximate="tanh"))
    return model
