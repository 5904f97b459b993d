"""Which examples stay: those that are in no evaluation set, and of those a seeded sample."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from winnow.text.examples import USER, Example
from winnow.text.questions import question_key

Item = TypeVar("Item")
KEY_SCHEMA = pa.schema([("set", pa.string()), ("key", pa.string())])


@dataclass(frozen=True)
class Cleaned:
    """The examples that are in no evaluation set, and where the others are."""

    kept: list[Example]
    removed: dict[str, int]
    """Evaluation set -> examples of it; one that is in two sets counts in both."""


def keys_by_set(tests: Iterable[Example]) -> dict[str, set[str]]:
    """Evaluation set -> keys of its questions."""
    keys: dict[str, set[str]] = {}
    for example in tests:
        keys.setdefault(example.source, set()).add(question_key(example.question))
    return {name: found - {""} for name, found in keys.items()}


def keys_table(keys: Mapping[str, set[str]]) -> pa.Table:
    """The keys as a table, sorted."""
    rows = sorted((name, key) for name, found in keys.items() for key in found)
    return pa.table([[name for name, _ in rows], [key for _, key in rows]], schema=KEY_SCHEMA)


def keys_from_table(table: pa.Table) -> dict[str, set[str]]:
    """The keys that `keys_table` wrote."""
    keys: dict[str, set[str]] = {}
    for name, key in zip(*(column.to_pylist() for column in table.columns), strict=True):
        keys.setdefault(name, set()).add(key)
    return keys


def remove_overlaps(examples: Iterable[Example], keys: Mapping[str, set[str]]) -> Cleaned:
    """The examples whose question is in no evaluation set; of a conversation, none of the user's turns either."""
    kept, removed = [], Counter[str]()
    for example in examples:
        asked = {question_key(text) for text in (example.question, *users_turns(example))}
        sets = [name for name, found in keys.items() if asked & found]
        removed.update(sets)
        if not sets:
            kept.append(example)
    return Cleaned(kept, dict(removed))


def users_turns(example: Example) -> list[str]:
    """What the user says in a conversation, turn by turn; nothing where the example is none."""
    return [text for role, text in example.messages if role == USER]


def without(examples: Iterable[Example], others: Iterable[Example]) -> list[Example]:
    """The examples but for the others and those that ask the same question as one of them."""
    others = list(others)
    ids, keys = {other.id for other in others}, {question_key(other.question) for other in others} - {""}
    return [each for each in examples if each.id not in ids and question_key(each.question) not in keys]


def sample(items: Sequence[Item], size: int | None, *, seed: int, identity: Callable[[Item], str]) -> list[Item]:
    """A seeded sample of so many items, in their order; all where `size` is None or not smaller.

    Chosen by a hash of each item's identity, so that it does not depend on the order of the items, and that a
    smaller sample is part of a larger one.
    """
    if size is None or size >= len(items):
        return list(items)
    chosen = {identity(item) for item in sorted(items, key=lambda item: rank(identity(item), seed))[:size]}
    return [item for item in items if identity(item) in chosen]


def rank(identity: str, seed: int) -> bytes:
    """Where an identity stands in the seeded order of all identities."""
    return hashlib.sha256(f"{seed}:{identity}".encode("utf-8", "surrogatepass")).digest()
