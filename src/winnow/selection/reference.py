"""What there is to know of every selector and control, from their registration and their options' schemas."""

from typing import Any

from winnow.records import Traits
from winnow.selection import registry

BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
TYPES = {"integer": "int", "number": "float", "string": "text", "boolean": "true or false", "array": "list",
         "object": "mapping", "null": "null"}  # fmt: skip


def describe() -> list[dict[str, Any]]:
    """An entry for each selector and control by name, as plain JSON values.

    `traits` says in words what the other entries hold; `needs` names what it sees, `sees` the representation or score
    that this comes from if the arm names no other; `options` holds the name, type, default (absent where the option is
    required) and text of each.
    """
    entries = [_entry(name, traits) for name, traits in registry.traits().items()]
    return [entry | {"traits": traits_text(entry)} for entry in entries]


def _entry(name: str, traits: Traits) -> dict[str, Any]:
    sees = [traits.representation] if traits.needs_representation else []
    sees += [traits.score] if "scores" in traits.needs else []
    return {
        "name": name,
        "kind": "control" if traits.is_control else "selector",
        "summary": traits.summary,
        "needs": list(traits.needs),
        "sees": sees,
        "target": traits.target,
        "is_random": traits.is_random,
        "gives": "order" if traits.is_nested else "set",
        "takes_fraction": traits.takes_fraction,
        "wraps": traits.wraps,
        "adds_target": traits.adds_target,
        "options": _options(name),
    }


def _options(name: str) -> list[dict[str, Any]]:
    schema = registry.options_of(name).model_json_schema()
    required = set(schema.get("required", ()))
    return [
        {"name": key, "type": type_text(entry, schema.get("$defs", {})),
         "text": " ".join(entry.get("description", "").split())}
        | ({} if key in required else {"default": entry.get("default")})
        for key, entry in schema.get("properties", {}).items()
    ]  # fmt: skip


def type_text(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type of a JSON schema in words: `int >= 1`, `"auto" | "all"`, `float > 0 | null`."""
    if "$ref" in schema:
        return type_text(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        return " | ".join(type_text(each, definitions) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    bounds = [f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema]
    name = TYPES.get(schema.get("type", ""), "any value")
    if name == "list":
        items = schema.get("items") or {}
        name = f"list of {type_text(items, definitions)}" if items else "list"
    return " ".join([name, *bounds])


def traits_text(entry: dict[str, Any]) -> str:
    """What a selector needs and gives, in a line: "needs features of hidden_states; target optional; ..."."""
    parts = [f"needs {', '.join(entry['needs'])} of {', '.join(entry['sees'])}"] if entry["needs"] else []
    parts += [f"target {entry['target']}"] if entry["target"] != "none" else []
    parts += ["adds the target sample"] if entry["adds_target"] else []
    parts += ["wraps another selector"] if entry["wraps"] else []
    parts += ["random" if entry["is_random"] else "deterministic"]
    if entry["kind"] == "selector":
        parts += ["gives an order" if entry["gives"] == "order" else "gives a set"]
    parts += [] if entry["takes_fraction"] else ["brings its own size"]
    return "; ".join(parts)
