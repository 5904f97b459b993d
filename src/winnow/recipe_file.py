"""Read a recipe from its file: `extends:`, `--set key=value`, and one clear line for whatever is wrong."""

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from winnow.arguments import AnyPath, Words, checks_arguments
from winnow.errors import RecipeError, nearest, shown
from winnow.recipe import Recipe

AnyRecipe = Recipe | str | Path | Mapping[str, Any]
"""A recipe, the path of its file, or its keys and values."""


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

    Raises RecipeError, in one line, for a missing or unreadable file, an unknown key or a bad value.
    """
    tree = _read_tree(Path(path), seen=())
    for override in overrides:
        _apply(tree, override)
    return parse_recipe(tree)


def parse_recipe(tree: dict[str, Any]) -> Recipe:
    """The checked recipe in a plain mapping. Raises RecipeError."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(_one_line(error)) from error


def parse_yaml(text: str, what: str) -> Any:
    """The value of a piece of YAML 1.2 (`2e-4` is a number). Raises RecipeError naming `what`."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise RecipeError(f"{what}{where} is not valid YAML: {problem}") from error


def _read_tree(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise RecipeError(f"recipe {path} extends itself; remove one `extends:`")
    if path.is_dir() or not path.exists():
        raise RecipeError(f"recipe {path} is not a file; give the path of a YAML file, such as recipes/quickstart.yaml")
    tree = parse_yaml(_text(path), f"recipe {path}")
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise RecipeError(f"recipe {path} holds {found}, not keys and values; see recipes/ for examples")
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise RecipeError(f"recipe {path} extends {parent!r}; give the path of one YAML file, beside this one")
    return _merged(_read_tree(path.parent / parent, (*seen, path.resolve())), tree)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read as UTF-8 text ({error}); give a YAML file") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        is_whole = key == "budget" or not (isinstance(old, dict) and isinstance(value, dict))
        both[key] = value if is_whole else _merged(below[key], value)  # a budget is whole: it has one unit
    return both


def _apply(tree: dict[str, Any], override: str) -> None:
    """Set one dotted key; list items are addressed by their number."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override!r} has no key and value; write --set training.learning_rate=2e-4")
    *parents, last = key.strip().split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, list):
            node = node[_position(node, part, override)]
        else:
            if not isinstance(node.get(part), dict | list):
                node[part] = {}
            node = node[part]
    parsed = parse_yaml(value, f"--set {override!r}")
    if isinstance(node, list):
        node[_position(node, last, override)] = parsed
    else:
        if parents[-1:] == ["budget"]:
            node.clear()  # a budget has one unit
        node[last] = parsed


def _position(items: list[Any], part: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise RecipeError(f"--set {override!r}: {part!r} is no position in a list of {len(items)}; count from 0")
    return int(part)


# ------------------------------------------------------------------------------------ one line per mistake


def _one_line(error: ValidationError) -> str:
    problems = error.errors()
    mistakes = _mistakes({_place(problem) for problem in problems})
    mine = [problem for problem in problems if _place(problem) in mistakes]
    first = min(mine, key=lambda problem: problem["type"] not in ("extra_forbidden", "literal_error"))
    more = len(mistakes) - 1
    return _explain(first) + (f" (and {more} more problem{'s' * (more > 1)})" if more else "")


def _mistakes(places: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The deepest places: pydantic also blames every other branch of a union, and a list that lost its bad items."""
    return {place for place in places if not any(other[: len(place)] == place for other in places - {place})}


def _explain(problem: Any) -> str:
    place = _place(problem)
    key, found, kind = _dotted(_followed(place)[1]), problem["input"], problem["type"]
    context = problem.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys_at(place[:-1])
        return f"unknown key {key}{nearest(str(place[-1]), known)}; known here: {', '.join(known)}"
    if kind == "missing":
        return f"{key} is missing; {_purpose(place)}"
    if kind == "value_error":
        text = str(context["error"])
        return text if text.startswith(key) else f"{key}: {text}"
    bounds = {
        "greater_than": "above {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "below {lt}",
        "less_than_equal": "at most {le}",
    }
    if kind in bounds:
        allowed = "in (0, 1]" if _is_fraction(key) else bounds[kind].format(**context)
        return (
            f"{key} is {found!r}; it must lie {allowed}"
            if "in (" in allowed
            else f"{key} is {found!r}; it must be {allowed}"
        )
    if kind == "union_tag_invalid":
        tags = {"expected": context["expected_tags"]}
        name = context["discriminator"].strip("'")
        return f"{key}.{name} is {context['tag']!r}{_hint(context['tag'], tags)}; allowed: {context['expected_tags']}"
    if kind == "literal_error":
        return f"{key} is {found!r}{_hint(found, context)}; allowed: {context['expected']}"
    if kind in SHAPES:
        return f"{key} is {found!r}; it must be {SHAPES[kind]}"
    text = problem["msg"].replace("Tuple", "list").replace(" after validation", "")
    return f"{key} is {found!r}; {text[0].lower()}{text[1:]}"


SHAPES = {
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "string_type": "text",
    "string_pattern_mismatch": "a name of letters, digits, _, . and -, a letter or digit first",
}
"""Kind of problem -> what a recipe's author would call the allowed shape."""


def _place(problem: Any) -> tuple[Any, ...]:
    """Where the problem is, in the author's keys: a branch of a union is never first, nor is it an unknown key."""
    location = problem["loc"]
    own = {0, len(location) - 1} if problem["type"] == "extra_forbidden" else {0}
    return tuple(part for number, part in enumerate(location) if number in own or not _is_union_label(part))


def _hint(found: Any, context: dict[str, Any]) -> str:
    return nearest(str(found), [word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")])


def _is_union_label(part: Any) -> bool:
    """Pydantic names the tried branch of a union in the location; a recipe's author never wrote it."""
    return isinstance(part, str) and (part.endswith("Recipe") or "[" in part or part in ("str", "int", "float"))


def _is_fraction(key: str) -> bool:
    return "fractions" in key


def _dotted(place: Iterable[Any]) -> str:
    dotted = ""
    for part in place:
        dotted += f"[{part}]" if isinstance(part, int) else f".{part}" if dotted else str(part)
    return dotted


def _model_at(place: Sequence[Any]) -> type[BaseModel] | None:
    return _followed(place)[0]


def _followed(place: Sequence[Any]) -> tuple[type[BaseModel] | None, list[Any]]:
    """The model at a place, and the place as the author wrote it: pydantic puts in the `kind` of one of several."""
    model: Any = Recipe
    is_mapping, kinds, written = False, dict[str, Any](), list[Any]()
    for number, part in enumerate(place):
        if part in kinds:
            model, kinds = kinds[part], {}
            continue
        written.append(part)
        if isinstance(part, int) or is_mapping:  # a position, or a key of the author's own, as in `published`
            is_mapping = False
            continue
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return None, [*written, *place[number + 1 :]]
        is_mapping = typing.get_origin(field.annotation) is dict
        models = list(_models_in(field.annotation))
        model, kinds = next(iter(models), None), _by_kind(models, field.discriminator)
    return model, written


def _by_kind(models: Iterable[type[BaseModel]], discriminator: Any) -> dict[str, type[BaseModel]]:
    """The models of a union by the value that tells them apart; none where it is no such union."""
    if not isinstance(discriminator, str):
        return {}
    return {kind: each for each in models for kind in typing.get_args(each.model_fields[discriminator].annotation)}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The recipe models inside an annotation such as `tuple[ArmRecipe | str, ...] | None`."""

    def walk(part: Any) -> Iterator[type[BaseModel]]:
        if isinstance(part, type) and not isinstance(part, types.GenericAlias) and issubclass(part, BaseModel):
            yield part
        for inner in typing.get_args(part):
            yield from walk(inner)

    return walk(annotation)


def _keys_at(place: Sequence[Any]) -> list[str]:
    model = _model_at(place)
    return sorted(model.model_fields) if model else []


def _purpose(place: Sequence[Any]) -> str:
    model = _model_at(place[:-1])
    field = model.model_fields.get(str(place[-1])) if model else None
    text = field.description if field and field.description else "write it"
    return f"it says: {text.splitlines()[0]}"
