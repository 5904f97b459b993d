"""`winnow evaluate --model`: any checkpoint on any sets, by the evaluation stage of studies.

recipe = recipe_for("models/mine", ["test.jsonl"])     # or a study's own recipe
evaluate_model("models/mine", recipe)["micro"]["loss"]
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from winnow.errors import ArtifactError, DataError, RecipeError, refused
from winnow.pipeline import store_beside
from winnow.pool.first_rows import first_mistakes
from winnow.pool.guessing import guess_source
from winnow.pool.hub import HUB
from winnow.recipe import Recipe
from winnow.recipe.file import parse_recipe, put_overrides
from winnow.store import read_json, write_folder
from winnow.verbs.scored import score, scores_of
from winnow.walk import Watch

KEY = "model", 0
FILES = "evaluation.json", "items.parquet"


def recipe_for(model: str, sets: Sequence[str], *, format: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe that holds these evaluation sets and nothing else of use. Raises RecipeError or DataError."""
    sources = [_source(path, format, place, sets) for place, path in enumerate(sets)]
    tree: dict[str, Any] = {
        "name": "evaluation", "base": {"model": model}, "pool": {"sources": [{**sources[0], "name": "not_trained_on"}]},
        "selection": {"arms": ["full"], "controls": False}, "budget": {"examples": 1},
        "study": {"primary": {"arm": "full"}}, "evaluation": {"sets": sources},
    }  # fmt: skip
    return parse_recipe(put_overrides(tree, overrides), "the evaluation")


def _source(path: str, format: str | None, place: int, paths: Sequence[str]) -> dict[str, Any]:
    """How one file is read: by the format that is given, or by the columns of its first row."""
    names = [_name(each) for each in paths]
    name = names[place] if names.count(names[place]) == 1 else f"{names[place]}_{place + 1}"
    told = {"format": format} if format else _shape(path)
    return {"name": name, "licence": "unknown", "path": path, **told}


def _name(path: str) -> str:
    """What tables call a file: its name without endings."""
    stem = re.sub(r"(\.(jsonl?|csv|parquet|gz|zst))+$", "", Path(path).name)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-")
    return name or "set"


def _shape(path: str) -> Mapping[str, Any]:
    if path.startswith(HUB):
        raise RecipeError(f"--sets {path} is at the hub; say how its rows are read with --format, or give --recipe")
    if not Path(path).is_file():
        raise DataError(f"--sets {path} is no file; give JSONL, JSON, CSV or Parquet files")
    try:
        return guess_source(Path(path)).settings
    except DataError as error:
        raise DataError(f"--sets {error}; or say --format, or give --recipe") from error


def evaluate_model(
    model: str, recipe: Recipe, *, store: str | Path | None = None, out: str | Path | None = None,
    watch: Watch | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What `evaluation_last.json` holds of the model on the recipe's evaluation sets; with `out` also as files.

    Raises RecipeError for a model that cannot be used, and for sets that cannot be read, before anything is computed.
    """
    from winnow.models.checking import check_model, check_tokenizer
    from winnow.models.folders import folder_of
    from winnow.models.opening import open_skeleton

    _check_place(out)
    if folder_of(model) is None:
        check_tokenizer(model, None, open_skeleton(model))
    check_model(model)
    files = [each for each in recipe.evaluation.sets if each.path is not None]
    if found := [mistake for source in files for mistake in first_mistakes(source)]:
        raise refused(found, "the evaluation sets")
    walk = score(recipe, {KEY: model}, store_beside(recipe, None, store), watch or Watch())
    stored = scores_of(walk, KEY)
    if out is not None:
        names = dict(zip(("evaluation_last.json", "items_last.parquet"), FILES, strict=True))
        write_folder(Path(out), lambda place: [shutil.copy(stored.folder / a, place / b) for a, b in names.items()])
    return dict(read_json(stored.folder / "evaluation_last.json"))


def _check_place(out: str | Path | None) -> None:
    folder = None if out is None else Path(out)
    if folder is not None and folder.exists() and not (folder / FILES[0]).is_file():
        raise ArtifactError(f"{folder} is there already and holds no evaluation; give a new folder with --out")
