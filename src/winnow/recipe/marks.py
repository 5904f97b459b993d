"""What of a part or a section goes into fingerprints: its fields, but for those that are marked otherwise."""

from typing import Any

from winnow.recipe.values import ADDED, ELSEWHERE, HOW, Frozen, earlier


def asked(part: Frozen) -> dict[str, Any]:
    """What of a part goes into a fingerprint."""
    return dict(_unmarked(part, part.model_dump(mode="json"), {HOW, ELSEWHERE}))


def without_added(value: Any, tree: Any) -> Any:
    """`tree`, which is how `value` is dumped, without fields marked HOW, and those marked ADDED at their defaults."""
    return _unmarked(value, tree, {HOW})


def _unmarked(value: Any, tree: Any, marks: set[str]) -> Any:
    """`tree` without the fields that have one of the marks, and those marked ADDED at their defaults."""
    if isinstance(value, dict):
        return {key: _unmarked(value[key], branch, marks) for key, branch in tree.items()}
    if isinstance(value, tuple):
        return [_unmarked(inner, branch, marks) for inner, branch in zip(value, tree, strict=True)]
    if not isinstance(value, Frozen):
        return tree
    given = {key: getattr(value, key) for key in tree}
    fields = type(value).model_fields
    kept = [
        key
        for key in tree
        if marks.isdisjoint(fields[key].metadata)
        and (ADDED not in fields[key].metadata or given[key] != fields[key].default)
    ]
    return {key: _unmarked(given[key], tree[key], marks) for key in kept} | earlier(value, kept)
