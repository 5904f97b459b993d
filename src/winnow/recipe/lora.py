"""Section `training.lora`: the low-rank adapter that method `lora` trains."""

from typing import Annotated

from pydantic import Field

from winnow.recipe.values import ADDED, Frozen, Number, Pattern, Size, Texts, Truth, Was, Whole


class LoraRecipe(Frozen):
    """A low-rank adapter, in PEFT's words."""

    r: Annotated[Whole, Field(ge=1, le=8192)] = 8
    """Rank."""
    lora_alpha: Size = 16
    """Scale is lora_alpha / r."""
    lora_dropout: Annotated[Number, Field(ge=0.0, lt=1.0)] = 0.05
    """Dropout before the adapter."""
    target_modules: Annotated[Texts | Pattern | None, Was(("c_attn", "c_proj"))] = None
    """Names of the adapted modules, or `all-linear`, or of each layer's matrices those of `attention` or `mlp` alone;
    null for those that PEFT adapts in models of this type, of a type that it does not know all linear ones. Of GPT-2
    c_attn and c_proj."""
    use_rslora: Annotated[Truth, ADDED] = False
    """Scale is lora_alpha / sqrt(r): rank-stabilised LoRA (Kalajdzievski 2023)."""
    use_dora: Annotated[Truth, ADDED] = False
    """Train each weight's magnitude beside its direction: DoRA (Liu et al. 2024); takes more compute."""
