"""What can be said of a recipe's base by arithmetic: its layout, and that it can be used.

    layout = layout_for(recipe.base)       # None where only the libraries can tell

Of a folder config.json, the heads of its weights and its tokenizer's vocabulary are read, of a hub's model the
configuration that is here already. What is not wholly as it should be is left to `checking.py`, which knows why.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from winnow.errors import WinnowError
from winnow.models.folders import ADAPTER_CONFIG, CONFIG, INDEX, WEIGHTS, check_whole, read_object
from winnow.models.layouts import Layout, Shape, layout_of
from winnow.models.trained_parts import TrainedParts, trained_parts
from winnow.recipe import BaseRecipe, Recipe, TrainingRecipe

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"


def layout_for(base: BaseRecipe) -> Layout | None:
    """The layout of the model that a recipe starts from; None where it is not known without the libraries."""
    if base.pretrain is not None:
        if layout_of(base.pretrain.architecture) is None:
            return None
        given = {"vocab_size": base.pretrain.tokenizer.vocab_size, "n_positions": base.pretrain.context_tokens}
        return layout_of(given | base.pretrain.architecture)
    if base.model is None:  # from scratch, at a size that depends on the rows
        return None
    architecture = _configuration(base)
    return None if architecture is None else layout_of(architecture)


def known_parts(base: BaseRecipe, training: TrainingRecipe) -> tuple[Layout, TrainedParts] | None:
    """The layout with what of it is trained; None where arithmetic does not tell."""
    layout = layout_for(base)
    parts = None if layout is None else trained_parts(layout, training)
    return None if layout is None or parts is None else (layout, parts)


def _configuration(base: BaseRecipe) -> Mapping[str, Any] | None:
    """What config.json of the named model says; of a hub's model that of the cache, else the declared one."""
    assert base.model is not None
    folder = Path(base.model).expanduser()
    if folder.is_dir():
        return None if (folder / ADAPTER_CONFIG).exists() else _object(folder / CONFIG)
    if folder.exists() or base.model.startswith(("/", ".", "~")):
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(base.model, CONFIG, revision=base.revision)
    except ValueError:  # no name that a hub could have
        return None
    return _object(Path(cached)) if isinstance(cached, str) else base.architecture


def _object(path: Path) -> dict[str, Any] | None:
    try:
        return read_object(path, path)
    except WinnowError:
        return None


def is_usable(recipe: Recipe) -> bool:
    """Whether arithmetic tells that base and adapters can be used; where not, `checking.check_models` has to.

    Models of representations and teachers are not looked at here: where there are any, it has to.
    """
    layout, names = layout_for(recipe.base), {"base", *(stage.name for stage in recipe.stages)}
    if layout is None or any(name not in names for name in _others(recipe)):
        return False
    trainings = [recipe.training, *(stage.training for stage in recipe.stages)]
    if any(trained_parts(layout, training) is None for training in trainings):
        return False
    folder = None if recipe.base.model is None else Path(recipe.base.model).expanduser()
    return folder is None or not folder.is_dir() or (_holds(folder, layout) and _reads(folder, layout.vocab_size))


def _others(recipe: Recipe) -> list[str]:
    """Names of the models that representations and teachers ask for."""
    teachers = [source.synthetic.teacher for source in recipe.pool.sources if source.synthetic]
    asked = [*recipe.selection.representations.values(), *teachers]
    return [name for name in (getattr(each, "model", None) for each in asked) if name]


def _holds(folder: Path, layout: Layout) -> bool:
    """Whether the weights of a folder are those of the layout, by name and shape; a tied head may stand there too."""
    try:
        check_whole(str(folder), folder)
        index = read_object(folder / INDEX, folder)["weight_map"].values() if (folder / INDEX).exists() else [WEIGHTS]
        found = {name: shape for file in set(index) for name, shape in _shapes(folder / file).items()}
    except (WinnowError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if layout.is_tied:
        found.pop(f"{layout.head.name}.weight", None)
    return found == layout.weights


def _shapes(path: Path) -> dict[str, Shape]:
    """Name -> shape of the tensors in a weights file, of which only the head is read."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _reads(folder: Path, rows: int) -> bool:
    """Whether the folder's fast tokenizer has no id beyond the embedding's rows, and a token that ends a text."""
    try:
        tree = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        vocabulary, added = tree["model"]["vocab"], tree.get("added_tokens", [])
        ids = {**vocabulary, **{token["content"]: token["id"] for token in added}}
        ends = read_object(folder / TOKENIZER_CONFIG, folder)
        named = [ends.get(key) for key in ("bos_token", "eos_token", "pad_token")]
    except (WinnowError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    spelt = [each.get("content") if isinstance(each, dict) else each for each in named]
    is_ended = spelt[1] in ids and all(each is None or each in ids for each in spelt)
    return is_ended and all(isinstance(at, int) and 0 <= at < rows for at in ids.values())
