"""Read a recipe from its file: `extends:`, `--set key=value`, and a clear line for each thing that is wrong."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from winnow.errors import RecipeError, refused, shown
from winnow.recipe.arguments import AnyPath, Words, checks_arguments
from winnow.recipe.refusals import all_mistakes, as_written
from winnow.recipe.whole import Recipe
from winnow.recipe.yaml import parse_yaml

AnyRecipe = Recipe | str | Path | Mapping[str, Any]
"""A recipe, the path of its file, or its keys and values."""
MOST_BYTES = 250_000
"""Of a recipe file: twenty times what any needs; the parser takes seconds for so much."""
MOST_PARENTS = 20


def as_recipe(given: AnyRecipe) -> Recipe:
    """The recipe, whatever it is given as. Raises RecipeError, in one line, for what is none."""
    if isinstance(given, Recipe):
        return given
    if isinstance(given, str | Path):
        return load_recipe(given)
    if isinstance(given, Mapping):
        return parse_recipe(dict(given))
    raise RecipeError(f"recipe is {shown(given)}; give a Recipe, the path of its file, or its keys and values")


@checks_arguments(RecipeError)
def load_recipe(path: AnyPath, overrides: Words = ()) -> Recipe:
    """The checked recipe in `path`, after `extends:` and `overrides` ("training.learning_rate=2e-4").

    Raises RecipeError, in one line, for a missing or unreadable file, an unknown key or a bad value; where several
    values are bad, in a line for each.
    """
    return parse_recipe(put_overrides(_read_tree(Path(path), seen=()), overrides), f"recipe {path}")


def put_overrides(tree: dict[str, Any], overrides: Words) -> dict[str, Any]:
    """The tree itself, with these keys set ("training.learning_rate=2e-4"). Raises RecipeError."""
    for override in overrides:
        _apply(tree, override)
    return tree


def parse_recipe(tree: dict[str, Any], what: str = "the recipe") -> Recipe:
    """The checked recipe in a plain mapping. Raises RecipeError."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        refusal = refused(all_mistakes(error), what)
        refusal.rest = _without_mistakes(tree, error)
        raise refusal from error


MEND = {"name": "unnamed", "budget": {"pool_epochs": 1}}
"""What stands for a section that has to be there, so that the rest of a recipe can be looked at."""
ALONE = *MEND, "training", "machine", "published", "trackers"
"""Sections on which no other one rests."""


def _without_mistakes(tree: dict[str, Any], error: ValidationError) -> Recipe | None:
    """The recipe without what is wrong in it, where that leaves one of which more can be told; else None.

    Sections that others name are not guessed: of a source that is left out more would seem wrong than is.
    """
    wrong = {problem["loc"][0] for problem in error.errors()}
    if not wrong <= {*ALONE, *(key for key in tree if key not in Recipe.model_fields)}:
        return None
    kept = {key: value for key, value in tree.items() if key not in wrong}
    try:
        return Recipe.model_validate(kept | {key: value for key, value in MEND.items() if key in wrong})
    except ValidationError:
        return None


def _read_tree(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    text = _text(path)
    if path.resolve() in seen:
        raise RecipeError(f"recipe {path} extends itself; remove one `extends:`")
    if len(seen) > MOST_PARENTS:
        raise RecipeError(f"recipe {path} is the parent of more than {MOST_PARENTS} others in a row; extend fewer")
    tree = parse_yaml(text, f"recipe {path}")
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise RecipeError(f"recipe {path} holds {found}, not keys and values; see recipes/ for examples")
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise RecipeError(f"recipe {path} extends {as_written(parent)}; give the path of a YAML file, beside this one")
    return _merged(_read_tree(path.parent / parent, (*seen, path.resolve())), tree)


def _text(path: Path) -> str:
    """The text of a recipe file; nothing else is opened, since a pipe or a device may never end."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({_reason(error)})"
        raise _no_file(path, reason) from error
    if not stat.S_ISREG(status.st_mode):
        raise _no_file(path)
    if status.st_size > MOST_BYTES:
        raise RecipeError(
            f"recipe {path} has {status.st_size / 1e6:,.1f} MB, the largest recipe {MOST_BYTES / 1e6:g} MB; give a "
            "YAML file"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read as UTF-8 text ({error}); give a YAML file") from error


def _no_file(path: Path, reason: str = "") -> RecipeError:
    own, usual = path / "recipe.yaml", "give the path of a YAML file, such as recipes/quickstart.yaml"
    mend = f"give {own}" if not reason and own.is_file() else usual
    return RecipeError(f"recipe {path} is not a file{reason}; {mend}")


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        is_whole = key == "budget" or not (isinstance(old, dict) and isinstance(value, dict))
        both[key] = value if is_whole else _merged(below[key], value)  # a budget is whole: it has one unit
    return both


def patched(recipe: Recipe, settings: Mapping[str, Any], what: str) -> Recipe:
    """The recipe with these dotted keys set, as by `--set`. Raises RecipeError, in the words of `what`."""
    tree = recipe.model_dump(mode="json")
    for key, value in settings.items():
        _put(tree, key.split("."), value, what)
    return parse_recipe(tree, what)


def _apply(tree: dict[str, Any], override: str) -> None:
    """Set one dotted key; list items are addressed by their number."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override!r} has no key and value; write --set training.learning_rate=2e-4")
    path = _path(tree, key.strip())
    if not all(path):
        raise RecipeError(f"--set {override!r} has an empty key; write --set training.learning_rate=2e-4")
    _put(tree, path, parse_yaml(value, f"--set {override!r}"), f"--set {override!r}")


def _path(tree: Mapping[str, Any], key: str) -> list[str]:
    """The keys that lead to a dotted one: in `vary` what a level sets is one key, dots and all."""
    first, *rest = key.split(".")
    if first != "vary" or len(rest) < 2:
        return [first, *rest]
    factor, *inner = rest
    known = tree.get("vary")
    levels = known.get(factor) if isinstance(known, dict) else None
    level = [inner[0]] if isinstance(levels, dict) and isinstance(levels.get(inner[0]), dict) else []
    setting = ".".join(inner[len(level) :])
    return [first, factor, *level, *([setting] if setting else [])]


def _put(tree: dict[str, Any], path: list[str], value: Any, what: str) -> None:
    *parents, last = path
    node: Any = tree
    for part in parents:
        if isinstance(node, list):
            node = node[_position(node, part, what)]
        else:
            if not isinstance(node.get(part), dict | list):
                node[part] = {}
            node = node[part]
    if isinstance(node, list):
        node[_position(node, last, what)] = value
    else:
        if parents[-1:] == ["budget"]:
            node.clear()  # a budget has one unit
        node[last] = value


def _position(items: list[Any], part: str, what: str) -> int:
    if not (part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(items)):
        raise RecipeError(f"{what}: {part!r} is no position in a list of {len(items)}; count from 0")
    return int(part)
