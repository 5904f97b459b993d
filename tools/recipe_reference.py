"""Write docs/recipe.md from the schema: `python tools/recipe_reference.py`. A test checks that it is up to date."""

import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from winnow.recipe import Recipe

TARGET = Path(__file__).parent.parent / "docs" / "recipe.md"
HEAD = """# Recipe reference

Generated from `src/winnow/recipe/` by `python tools/recipe_reference.py`. A recipe is one YAML 1.2 file; `extends:
other.yaml` merges it over another one; `--set key=value` overrides a key (`--set pool.sources.0.limit=100`). Paths are
taken from the current folder. Unknown keys are errors.
"""


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(section(model) for model in models(Recipe, []))


def models(model: type[BaseModel], seen: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The model and all models in its fields, in order of appearance."""
    if model not in seen:
        seen.append(model)
        for field in model.model_fields.values():
            for inner in inside(field.annotation):
                models(inner, seen)
    return seen


def inside(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from inside(part)


def section(model: type[BaseModel]) -> str:
    """One model: its line, and a row for each key."""
    lines = [
        f"\n## {model.__name__}\n",
        f"{inspect.cleandoc(model.__doc__ or '')}\n",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for key, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        within = "".join(f" Allowed: {each}." for each in [", ".join(bounds(field))] if each)
        lines.append(f"| `{key}` | {default(field)} | {meaning}{within}{links(field.annotation)} |")
    return "\n".join(lines) + "\n"


def default(field: Any) -> str:
    """What a key is when it is not given."""
    if field.default is PydanticUndefined:
        return "**required**" if field.default_factory is None else ""
    if isinstance(field.default, BaseModel):
        return "see there"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{'null' if value is None else value}`".replace("|", "\\|")


BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}


def bounds(part: Any) -> list[str]:
    """What numbers of a field, or of the list or mapping that it is, may be."""
    inner = [*getattr(part, "metadata", ())]
    annotation = part.annotation if isinstance(part, FieldInfo) else part
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        inner += [each for each in typing.get_args(annotation) if not isinstance(each, str)]
    found = {key: getattr(part, key) for key in BOUNDS if isinstance(getattr(part, key, None), int | float)}
    own = [BOUNDS[key].format(spelled(value)) for key, value in found.items()]
    return list(dict.fromkeys(own + [each for other in inner for each in bounds(other)]))


def spelled(value: float) -> str:
    """A bound as one would write it."""
    if value == 2**63:
        return "2^63"
    return f"{value:g}".replace("e+", "e") if abs(value) >= 1e7 or isinstance(value, float) else f"{value:,}"


def links(annotation: Any) -> str:
    """Where the inner models are described."""
    names = dict.fromkeys(model.__name__ for model in inside(annotation))
    return "".join(f" See [{name}](#{name.lower()})." for name in names)


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
