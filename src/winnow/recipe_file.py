"""Read a recipe from its file: `extends:`, `--set key=value`, and a clear line for each thing that is wrong."""

import re
import stat
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from winnow.arguments import AnyPath, Words, checks_arguments
from winnow.errors import RecipeError, nearest, refused, shown
from winnow.recipe import Recipe

AnyRecipe = Recipe | str | Path | Mapping[str, Any]
"""A recipe, the path of its file, or its keys and values."""
MOST_BYTES = 250_000
"""Of a recipe file: twenty times what any needs; the parser takes seconds for so much."""
MOST_PARENTS = 20
MOST_VALUES, MOST_LEVELS = 100_000, 100
"""Of a piece of YAML, aliases followed: beyond lies a slip, or an attempt to fill the memory."""
MOST_OPEN = 200
"""Brackets that are open at once; the parser's time grows with the square of that."""


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
    tree = _read_tree(Path(path), seen=())
    for override in overrides:
        _apply(tree, override)
    return parse_recipe(tree, f"recipe {path}")


def parse_recipe(tree: dict[str, Any], what: str = "the recipe") -> Recipe:
    """The checked recipe in a plain mapping. Raises RecipeError."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        refusal = refused(_all_mistakes(error), what)
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


def parse_yaml(text: str, what: str) -> Any:
    """The value of a piece of YAML 1.2 (`2e-4` is a number). Raises RecipeError naming `what`."""
    opened = accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    try:
        if max(opened, default=0) > MOST_OPEN:
            raise RecursionError
        value = YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise RecipeError(f"{what} is not valid YAML: it is nested too deeply; write it flat") from error
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:  # ruamel's own, and its int()
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(f"{what}{where} is not valid YAML: {_problem(error)}") from error
    for problem in _unfit(value):
        raise RecipeError(f"{what} {problem}")
    return value


def _problem(error: Exception) -> str:
    """What the parser or Python says of a value."""
    found = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition(";")[0]
    return str(found) if found and not isinstance(error, LookupError | AttributeError) else "it cannot be parsed"


def _unfit(value: Any) -> Iterator[str]:
    """What makes a parsed value none that a recipe can hold: its size, its depth, its keys or its characters."""
    todo, count = [(value, 0)], 0
    while todo:
        inner, depth = todo.pop()
        count += 1
        if count > MOST_VALUES or depth > MOST_LEVELS:
            yield "holds more values than any recipe, or an alias that holds itself; write it out without `&` and `*`"
            return
        if isinstance(inner, str) and any(c not in "\n\t" and _is_control(c) for c in inner):
            yield f"holds a character that cannot be printed, in {_shown(inner)}; remove it"
        if isinstance(inner, dict):
            odd = [key for key in inner if not isinstance(key, str)]
            yield from (f"has the key {_shown(key)}, which is no text; put it in quotes" for key in odd)
            todo += [(part, depth + 1) for part in (*inner, *inner.values()) if part not in odd]
        elif isinstance(inner, list | tuple | set):
            todo += [(part, depth + 1) for part in inner]


def _is_control(character: str) -> bool:
    """Whether it is a control character or half of a pair, which no file can hold."""
    number = ord(character)
    return number < 0x20 or 0x7F <= number < 0xA0 or 0xD800 <= number < 0xE000


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
        raise RecipeError(f"recipe {path} extends {_shown(parent)}; give the path of one YAML file, beside this one")
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
    return RecipeError(
        f"recipe {path} is not a file{reason}; give the path of a YAML file, such as recipes/quickstart.yaml"
    )


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


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
    if not all((*parents, last)):
        raise RecipeError(f"--set {override!r} has an empty key; write --set training.learning_rate=2e-4")
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
    if not (part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(items)):
        raise RecipeError(f"--set {override!r}: {part!r} is no position in a list of {len(items)}; count from 0")
    return int(part)


# ------------------------------------------------------------------------------------ one line per mistake


def _all_mistakes(error: ValidationError) -> list[str]:
    """A line for each place where something is wrong, in the order of the schema."""
    by_place = dict[tuple[Any, ...], list[Any]]()
    for problem in error.errors():
        by_place.setdefault(_place(problem), []).append(problem)
    kept = _mistakes(set(by_place)) - _misspelt(by_place)
    return [_explain(min(found, key=_rank)) for place, found in by_place.items() if place in kept]


def _misspelt(by_place: dict[tuple[Any, ...], list[Any]]) -> set[tuple[Any, ...]]:
    """Places of missing keys that an unknown key beside them is most like: one mistake, not two."""
    kinds = {place: {problem["type"] for problem in found} for place, found in by_place.items()}
    unknown = [place for place, kind in kinds.items() if "extra_forbidden" in kind]
    missing = {place for place, kind in kinds.items() if "missing" in kind}
    return {place for place in missing for other in unknown
            if place[:-1] == other[:-1] and nearest(str(other[-1]), [str(place[-1])])}  # fmt: skip


def _rank(problem: Any) -> int:
    """Of several problems of one value, an unknown key or word says most, and least that it is of another shape."""
    kind, is_text = problem["type"], isinstance(problem["input"], str)
    if kind == "literal_error":
        return 0 if is_text else 2
    return 0 if kind == "extra_forbidden" else 3 if kind.endswith("_type") else 1


def _mistakes(places: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The deepest places: pydantic also blames every other branch of a union, and a list that lost its bad items."""
    return places - {place[:length] for place in places for length in range(len(place))}


def _explain(problem: Any) -> str:
    place = _place(problem)
    key, found, kind = _dotted(_followed(place)[1]), _shown(problem["input"]), problem["type"]
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
            f"{key} is {found}; it must lie {allowed}"
            if "in (" in allowed
            else f"{key} is {found}; it must be {allowed}"
        )
    if kind == "union_tag_invalid":
        tag, allowed = context["tag"], context["expected_tags"]
        name = context["discriminator"].strip("'")
        return f"{key}.{name} is {_shown(tag)}{_hint(tag, {'expected': allowed})}; allowed: {allowed}"
    if kind == "literal_error":
        return f"{key} is {found}{_hint(found, context)}; allowed: {context['expected']}"
    if kind in SHAPES:
        return f"{key} is {found}; it must be {SHAPES[kind]}"
    text = problem["msg"].replace("Tuple", "list").replace(" after validation", "")
    return f"{key} is {found}; {text[0].lower()}{text[1:]}"


def _shown(value: Any) -> str:
    """A value in a message, cut where it is long; true, false and null as YAML has them."""
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else shown(value)
    )


SHAPES = {
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "a name of letters, digits, _, . and -, a letter or digit first",
}
"""Kind of problem -> what a recipe's author would call the allowed shape."""


def _place(problem: Any) -> tuple[Any, ...]:
    """Where the problem is, in the author's keys: a branch of a union is never first, nor is it an unknown key."""
    location = problem["loc"]
    own = {0, len(location) - 1} if problem["type"] == "extra_forbidden" else {0}
    return tuple(part for number, part in enumerate(location) if number in own or not _is_union_label(part))


def _hint(found: str, context: dict[str, Any]) -> str:
    return nearest(found.strip("'"), [word.strip(" '") for word in context["expected"].replace(" or ", ",").split(",")])


def _is_union_label(part: Any) -> bool:
    """Pydantic names the tried branch of a union in the location; a recipe's author never wrote it."""
    return isinstance(part, str) and (
        part.endswith("Recipe") or "[" in part or part in ("str", "constrained-str", "int", "float")
    )


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
    named = [part for part in place if isinstance(part, str)]  # an entry of a list is explained by the list
    model = _model_at(place[: place.index(named[-1])] if named else ())
    field = model.model_fields.get(named[-1]) if model and named else None
    text = field.description if field and field.description else "write it"
    return f"it says: {text.splitlines()[0]}"
