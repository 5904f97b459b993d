"""Dropout of attention weights while a model trains, whatever its architecture calls it.

Set on the modules and not in the configuration: what is saved says nothing of how it was trained.
"""

from collections.abc import Iterator

from torch import nn

from winnow.errors import RecipeError

NAMES = "attention_dropout", "attn_dropout"
"""Of Llama, Qwen, GPT-NeoX and Falcon (a number or a module); of GPT-2, GPT-J and GPT-Neo (a module)."""


def set_attention_dropout(model: nn.Module, share: float) -> None:
    """Drop this share of the attention weights in training. Raises RecipeError where no layer is known to have such."""
    places = list(_places(model))
    if not places:
        raise RecipeError(
            f"training.attention_dropout is {share:g}; the attention of {type(model).__name__} has no dropout by a "
            f"name known here ({', '.join(NAMES)}); leave it out"
        )
    for module, name in places:
        dropout = getattr(module, name)
        if isinstance(dropout, nn.Dropout):
            dropout.p = share
        else:
            setattr(module, name, share)


def _places(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Modules that have such a dropout, and its name there."""
    for module in model.modules():
        for name in NAMES:
            if isinstance(getattr(module, name, None), nn.Dropout | float | int):
                yield module, name
