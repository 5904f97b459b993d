"""Groups of a model's matrices by what they do, whatever its architecture calls them, and the ranks that fit them.

    group_modules(model, "attention")        # ("self_attn.k_proj", "self_attn.o_proj", ...)

A name ends a matrix's path: GPT-2 has a `c_proj` in both groups, `attn.c_proj` and `mlp.c_proj` tell them apart.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from winnow.errors import RecipeError
from winnow.models.families import usual_modules
from winnow.recipe import LoraRecipe

GROUPS = {
    "attention": {"attn", "self_attn", "attention", "self_attention"},
    "mlp": {"mlp", "feed_forward", "ffn", "block_sparse_moe", "fc1", "fc2"},
}
"""Group -> what models call the part of a layer that holds it, or its matrices where they stand in no such part."""


def group_modules(model: nn.Module, group: str) -> tuple[str, ...]:
    """The ends of the paths of a group's matrices, the same in all layers, sorted.

    Raises RecipeError where the model has none by the names known here.
    """
    found = {end for path in matrices(model) if (end := _end_in(path, group)) is not None}
    if not found:
        last = ", ".join(sorted({path.rsplit(".", 1)[-1] for path in matrices(model)}))
        raise RecipeError(
            f"training.lora.target_modules is {group}, which {type(model).__name__} has under no name known here; "
            f"it has {last}; name some of them, or write all-linear"
        )
    return tuple(sorted(found))


def with_modules(model: Any, adapter: LoraRecipe | Mapping[str, Any]) -> LoraRecipe | Mapping[str, Any]:
    """The adapter with the names of its modules, of a group or of the model's type where it names none."""
    if not isinstance(adapter, LoraRecipe):
        return adapter
    asked = adapter.target_modules
    if asked is None:
        return adapter.model_copy(update={"target_modules": usual_modules(model.config.model_type)})
    if isinstance(asked, str) and asked in GROUPS:
        return adapter.model_copy(update={"target_modules": group_modules(model, asked)})
    return adapter


def _end_in(path: str, group: str) -> str | None:
    """What of a path lies in the group; None where nothing does. The outermost part that has a name counts."""
    parts = path.split(".")
    known = {name: each for each, names in GROUPS.items() for name in names}
    at = next((at for at, part in enumerate(parts) if part in known), None)
    return None if at is None or known[parts[at]] != group else ".".join(parts[at:])


def matrices(model: Any) -> Iterator[str]:
    """Paths of the linear layers, the head left out."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            yield path


def check_rank(adapted: Any, r: int) -> None:
    """Raises RecipeError, naming the matrix of the highest rank, where no adapted one can have rank `r`.

    A rank above that of some matrices alone is let through: an adapter of all layers is often of full rank in the
    largest and more than that in those of grouped keys and values, which costs parameters and harms nothing.
    """
    shapes = {
        path: (module.in_features, module.out_features)
        for path, module in adapted.named_modules()
        if hasattr(module, "lora_A") and hasattr(module, "in_features")
    }
    if not shapes:
        return
    path = max(shapes, key=lambda each: min(shapes[each]))
    most = min(shapes[path])
    if r > most:
        name, (columns, rows) = path.removeprefix("base_model.model."), shapes[path]
        raise RecipeError(
            f"training.lora.r is {r}; {name}, {rows} x {columns}, has a rank of at most {most}, and no adapted matrix "
            f"a higher one; lower r to {most} or less, or train with method full"
        )
