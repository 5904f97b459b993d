"""A base model that is a folder of one machine, and its name on a hub in what is published.

is_here("/home/me/models/x")               # True: nobody else has it
named = with_base(study, "me/x")           # findings, cards and snippets speak of me/x
rename(Path("upload/model"), "/home/me/models/x", "me/x")     # and so do its JSON and YAML files
"""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from winnow.analysis.study_folder import Study
from winnow.errors import PublishError, shown
from winnow.store import SEAL, json_text, sealed, write_atomic


def is_here(model: str) -> bool:
    """Whether a model's name is a path: a hub's names have one slash at most."""
    is_path = model.startswith(("/", ".", "~")) or model.count("/") > 1 or "\\" in model
    return is_path or Path(model).expanduser().exists()


def check_name(model: str) -> None:
    """Raises PublishError where a hub has no model of this name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(model)
        is_name = not is_here(model)
    except HFValidationError:
        is_name = False
    if not is_name:
        raise PublishError(f"--base-model is {shown(model)}; it must be the model's name on the hub, such as USER/NAME")


def with_base(study: Study, model: str) -> Study:
    """The study as if its recipe named the model so; its folder is left as it is.

    Raises PublishError where the recipe makes its base model itself.
    """
    old = study.recipe.base.model
    if old is None:
        raise PublishError("--base-model names the base of a recipe that makes its own (base.pretrain); leave it out")
    recipe = study.recipe.model_copy(update={"base": study.recipe.base.model_copy(update={"model": model})})
    return replace(study, recipe=recipe, settings=_renamed(study.settings, old, model))


def rename(folder: Path, old: str, new: str) -> None:
    """Write one name for another wherever it is a whole value of a JSON or YAML file of a folder; seals are renewed."""
    for path in sorted(folder.rglob("*.json")):
        tree = json.loads(path.read_text(encoding="utf-8"))
        renamed = _renamed_and_sealed(tree, old, new)
        if renamed != tree:
            write_atomic(path, json_text(renamed))
    yaml, recipe = YAML(), folder / "recipe.yaml"
    if recipe.is_file():
        stream = io.StringIO()
        yaml.dump(_renamed(yaml.load(recipe.read_text(encoding="utf-8")), old, new), stream)
        write_atomic(recipe, stream.getvalue())


def _renamed_and_sealed(tree: Any, old: str, new: str) -> Any:
    """The tree with the new name; each of its objects that had a seal has one again."""
    if isinstance(tree, list):
        return [_renamed_and_sealed(each, old, new) for each in tree]
    renamed = _renamed(tree, old, new)
    if isinstance(tree, dict) and SEAL in tree and renamed != tree:
        return sealed({key: value for key, value in renamed.items() if key != SEAL})
    return renamed


def _renamed(tree: Any, old: str, new: str) -> Any:
    if isinstance(tree, dict):
        return {key: _renamed(value, old, new) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_renamed(value, old, new) for value in tree]
    return new if tree == old and isinstance(tree, str) else tree
