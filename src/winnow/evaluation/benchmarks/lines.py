"""Token sequences laid out so that what they have in common stands, and is computed, once.

A *line* holds the sequences of one item: the context, then the answers that branch off it. Each token has a parent, the
token before it in its sequence, and sees its ancestors alone. Lines that begin alike, such as with the same few-shot
examples, form a *run*, whose beginning is read once and kept.

    line = build_line([Request(ids, num_targets), ...])
    for run in runs_of(lines): ...
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_SHARED_TOKENS, MIN_SHARING_LINES = 16, 4
"""Below these reading a common beginning apart costs more than it saves."""


@dataclass(frozen=True)
class Request:
    """A sequence whose last tokens are scored."""

    ids: tuple[int, ...]
    num_targets: int
    """At least 1 and less than the sequence is long."""


@dataclass(frozen=True)
class Line:
    """Some sequences without their last token, as a tree: a parent stands before its children."""

    ids: NDArray[np.int64]
    """[tokens]"""
    parents: NDArray[np.int64]
    """[tokens]; -1 for a sequence's first token."""
    depths: NDArray[np.int64]
    """[tokens]; the position of each in its sequences."""
    readers: NDArray[np.int64]
    """[scores]; the token at which each target is predicted."""
    targets: NDArray[np.int64]
    """[scores]"""
    owners: NDArray[np.int64]
    """[scores]; which of the line's requests each belongs to."""
    trunk: int
    """Tokens at the beginning that all sequences share and at which nothing is predicted."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_path(self) -> bool:
        """Whether nothing branches."""
        return bool((self.parents == np.arange(len(self.ids)) - 1).all())

    def ancestors(self, start: int = 0) -> NDArray[np.bool_]:
        """[tokens from start, tokens from start]: whether the second is the first or one of its ancestors."""
        size = len(self.ids) - start
        sees = np.zeros((size, size), dtype=bool)
        for at, parent in enumerate(self.parents[start:] - start):
            if parent >= 0:
                sees[at] = sees[parent]
            sees[at, at] = True
        return sees


@dataclass(frozen=True)
class Run:
    """Lines that begin with the same tokens."""

    lines: list[int]
    """Numbers of the lines."""
    shared: tuple[int, ...]
    """What they begin with; may be empty."""


def build_line(requests: Sequence[Request]) -> Line:
    """The tree of these sequences."""
    trunk = _trunk(requests)
    ids = list(requests[0].ids[:trunk])
    parents = list(range(-1, trunk - 1))
    depths = list(range(trunk))
    children: dict[tuple[int, int], int] = {}
    scores: list[tuple[int, int, int]] = []
    for owner, request in enumerate(requests):
        node = trunk - 1
        for depth in range(trunk, len(request.ids) - 1):
            token = request.ids[depth]
            child = children.setdefault((node, token), len(ids))
            if child == len(ids):
                ids.append(token)
                parents.append(node)
                depths.append(depth)
            node = child
            if depth >= len(request.ids) - 1 - request.num_targets:
                scores.append((node, request.ids[depth + 1], owner))
    readers, targets, owners = np.array(scores, dtype=np.int64).T
    return Line(np.array(ids), np.array(parents), np.array(depths), readers, targets, owners, trunk)


def _trunk(requests: Sequence[Request]) -> int:
    """Tokens that all sequences begin with and at which nothing is predicted."""
    first, last = min(request.ids for request in requests), max(request.ids for request in requests)
    unread = min(len(request.ids) - 1 - request.num_targets for request in requests)
    return min(_common(first, last), unread)


def runs_of(lines: Sequence[Line]) -> list[Run]:
    """The lines in runs with a common beginning; in the last run those without one.

    A line joins the run before it if that leaves at least half of what the run shares.
    """
    beginnings = [tuple(line.ids[: line.trunk].tolist()) for line in lines]
    order = sorted(range(len(lines)), key=lambda at: (beginnings[at], at))
    found: list[Run] = []
    for at in order:
        shared = _common(found[-1].shared, beginnings[at]) if found else 0
        least = len(found[-1].shared) / 2 if found and len(found[-1].lines) > 1 else 0
        if shared >= max(MIN_SHARED_TOKENS, least):
            found[-1] = Run([*found[-1].lines, at], beginnings[at][:shared])
        else:
            found.append(Run([at], beginnings[at]))
    large = [run for run in found if len(run.lines) >= MIN_SHARING_LINES]
    rest = sorted(at for run in found if len(run.lines) < MIN_SHARING_LINES for at in run.lines)
    return [*large, Run(rest, ())] if rest else large


def shared_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, where reading them once pays; each keeps one of its own."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    shared = min(_common(first, last), min(map(len, prompts)) - 1)
    return shared if shared >= MIN_SHARED_TOKENS and len(prompts) >= MIN_SHARING_LINES else 0


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """How many tokens two sequences share at their beginning, by halving."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low
