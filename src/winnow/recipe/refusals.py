"""One line for each thing that is wrong with a recipe, in its author's keys."""

import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from winnow.errors import nearest, shown
from winnow.recipe.whole import Recipe


def all_mistakes(error: ValidationError) -> list[str]:
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
    key, found, kind = _dotted(_followed(place)[1]), as_written(problem["input"]), problem["type"]
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
        return f"{key}.{name} is {as_written(tag)}{_hint(tag, {'expected': allowed})}; allowed: {allowed}"
    if kind == "literal_error":
        return f"{key} is {found}{_hint(found, context)}; allowed: {context['expected']}"
    if kind in SHAPES:
        return f"{key} is {found}; it must be {SHAPES[kind]}"
    text = problem["msg"].replace("Tuple", "list").replace(" after validation", "")
    return f"{key} is {found}; {text[0].lower()}{text[1:]}"


def as_written(value: Any) -> str:
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
