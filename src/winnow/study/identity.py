"""What makes a study folder the folder of one study: pool, base model, training, budget and primary comparison.

More arms, seeds, fractions or evaluation sets extend a study; a change of identity is refused, with its difference.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from winnow.errors import ArtifactError
from winnow.recipe import NATURAL, PRETRAINING, BaseRecipe, Recipe, TrainingRecipe
from winnow.recipe.marks import without_added
from winnow.study_files import read_settings

OF_AN_ARM = "settings", "options", "selector"
"""Facts of an arm that do not change under its name."""


def identity(recipe: Recipe) -> dict[str, Any]:
    """The parts of a recipe that a study folder cannot change."""
    plain = {
        "pool": without_added(recipe.pool, recipe.pool.model_dump(mode="json", exclude_defaults=True)),
        "base": _base(recipe.base).model_dump(mode="json", exclude_defaults=True),
        "training": _training(recipe.training),
        "budget": recipe.budget.model_dump(mode="json", exclude_defaults=True),
        "primary": recipe.study.primary.model_dump(mode="json"),
    }
    branches = {"branches": True} if recipe.study.branches else {}
    mixture = {"mixture": recipe.model_dump(mode="json")["mixture"]} if recipe.mixture != NATURAL else {}
    return plain | _sweep(recipe) | branches | mixture | _stages(recipe)


def _base(base: BaseRecipe) -> BaseRecipe:
    """Without how often it is saved, which changes no result, and the objective that every pretraining once had."""
    if base.pretrain is None:
        return base
    given, default = base.pretrain.training, TrainingRecipe()
    usual: dict[str, Any] = {"checkpoint_every_seconds": default.checkpoint_every_seconds}
    usual |= {"objective": default.objective} if given.objective == PRETRAINING.objective else {}
    training = given.model_copy(update=usual)
    return base.model_copy(update={"pretrain": base.pretrain.model_copy(update={"training": training})})


def _sweep(recipe: Recipe) -> dict[str, Any]:
    """How the learning rate is chosen, where the recipe does not give it."""
    sweep = recipe.study.sweep
    return {"sweep": without_added(sweep, sweep.model_dump(mode="json"))} if sweep else {}


def _stages(recipe: Recipe) -> dict[str, Any]:
    """The stages between the base and the arms, where the arms start from one of them."""
    if recipe.training.start == "base":
        return {}
    unsaved = {"training": {"checkpoint_every_seconds"}}
    return {"stages": [without_added(s, s.model_dump(mode="json", exclude=unsaved)) for s in recipe.stages]}


def _training(training: TrainingRecipe) -> dict[str, Any]:
    tree: dict[str, Any] = without_added(
        training, training.model_dump(mode="json", exclude={"checkpoint_every_seconds"})
    )
    return tree


def known_study(folder: Path) -> dict[str, Any] | None:
    """What a study folder says of itself, or None where there is none yet. Raises ArtifactError where it is damaged."""
    return read_settings(folder)


def check_identity(recipe: Recipe, folder: Path, arms: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Raises ArtifactError, naming the first difference, where `folder` belongs to another study.

    `arms` are the facts of the recipe's arms: one that is another one under the same name would replace its runs.
    """
    known = known_study(folder)
    if known is None:
        return
    difference = _first_difference(known["identity"], identity(recipe), "")
    if difference is None:
        _check_arms(folder, known.get("arms", {}), arms or {})
    else:
        raise ArtifactError(
            f"study folder {folder} was made with another {difference}; "
            "use another --out or name, or remove the folder to begin anew"
        )


def _check_arms(folder: Path, known: Mapping[str, Any], arms: Mapping[str, Any]) -> None:
    """Raises ArtifactError where an arm is another one than the folder's arm of this name."""
    for name in [name for name in arms if name in known]:
        old, new = ({key: facts[name][key] for key in OF_AN_ARM if key in known[name]} for facts in (known, arms))
        difference = _first_difference(old, json.loads(json.dumps(new)), "")
        if difference is not None:
            raise ArtifactError(
                f"study folder {folder} was made with another arm {name}: {difference}; give what is changed a name of "
                "its own, or use another --out"
            )


def check_contents(folder: Path, digests: dict[str, str]) -> None:
    """Raises ArtifactError where the pool or the base came out different from what the folder was made with."""
    known = known_study(folder) or {}
    for name, digest in digests.items():
        if known.get("digests", {}).get(name, digest) != digest:
            raise ArtifactError(
                f"study folder {folder} was made with another {name}: its contents are not the same (data files "
                "changed, a new evaluation set removed rows, or evaluation.best_by holds out others); use "
                "another --out or name"
            )


def _first_difference(old: Any, new: Any, place: str) -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            found = _first_difference(old.get(key), new.get(key), f"{place}.{key}" if place else key)
            if found is not None:
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        items = (_first_difference(a, b, f"{place}[{i}]") for i, (a, b) in enumerate(zip(old, new, strict=True)))
        return next((found for found in items if found is not None), None)
    return None if old == new else f"{place} ({_short(old)} there, {_short(new)} here)"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
