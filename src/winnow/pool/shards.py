"""The examples of a source shard by shard, sorted by id, in the memory of two shards however many there are.

    with sorted_shards(source, inputs, folder, completion="rationale") as read:
        for examples in read.shards:          # what `load_examples` gives at once
            ...

A source that fits into one shard stays in memory. Of a larger one, runs of examples are sorted and written to a file
(JSON lines), with a note of where each PREFIX of ids begins in them; a shard is then what all runs hold of some
prefixes. Examples of one id have one prefix, so that repeats are numbered within a shard.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from winnow.pool.loading import read_examples
from winnow.recipe import SourceRecipe
from winnow.records import Stored
from winnow.text.examples import CompletionKind, Example, number_repeats

SHARD_CHARACTERS = 12_000_000
"""Characters of a shard's prompts and completions; as Python objects they take about four times as many bytes."""
PREFIX, PREFIXES = 3, 16**3
"""Hexadecimal digits that an id's digest begins with, and how many such beginnings there are."""
FIELDS = [field.name for field in fields(Example)]


@dataclass(frozen=True)
class Shards:
    """The examples of one source, and how many rows it has."""

    shards: Iterable[list[Example]]
    """Sorted by id, within a shard and from shard to shard; can be gone through once."""
    read: int
    """Rows, usable or not."""
    dropped: dict[str, int]
    """Reason -> rows that give no example."""


@contextmanager
def sorted_shards(
    source: SourceRecipe,
    inputs: Mapping[str, Stored],
    folder: Path,
    *,
    completion: CompletionKind = "rationale",
    characters: int = SHARD_CHARACTERS,
) -> Iterator[Shards]:
    """The examples of a source in shards of about so many characters; `folder` holds them meanwhile, then is removed.

    Raises DataError as `load_examples`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dropped, runs = Counter[str](), Runs(folder / "examples.jsonl")
    try:
        count, size, run = 0, 0, list[Example]()
        for example in read_examples(source, inputs, dropped, completion=completion):
            if size >= characters:
                runs.add(run)
                size, run = 0, []
            run.append(example)
            count += 1
            size += len(example.prompt) + len(example.completion)
        if runs:
            runs.add(run)
        shards = runs.shards() if runs else iter([number_repeats(run)])
        del run
        yield Shards(shards, count + dropped.total(), dict(dropped))
    finally:
        shutil.rmtree(folder)


class Runs:
    """Sorted runs of examples in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts: list[NDArray[np.int64]] = []
        """Per run, where each prefix begins in the file, and where the last one ends."""

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, examples: Sequence[Example]) -> None:
        """Write a run; examples of one id stay in their order."""
        sizes = np.zeros(PREFIXES + 1, np.int64)
        with self._path.open("ab") as file:
            sizes[0] = file.tell()
            for example in sorted(examples, key=attrgetter("id")):
                sizes[prefix_of(example) + 1] += file.write(to_line(example))
        self._starts.append(np.cumsum(sizes))

    def shards(self) -> Iterator[list[Example]]:
        """The examples of all runs, sorted by id, in shards of about the bytes of one run."""
        starts = np.stack(self._starts)
        ends = np.cumsum(np.diff(starts).sum(axis=0))
        numbers = ends // (1 + ends[-1] // len(self))
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), PREFIXES]
        with self._path.open("rb") as file:
            for low, high in pairwise(bounds):
                found = list[Example]()
                for start, end in zip(starts[:, low].tolist(), starts[:, high].tolist(), strict=True):
                    file.seek(start)
                    found += map(from_line, file.read(end - start).splitlines())
                yield number_repeats(found)


def prefix_of(example: Example) -> int:
    """The number that the digest of an id begins with."""
    return int(example.id[len(example.source) + 1 :][:PREFIX], 16)


def to_line(example: Example) -> bytes:
    """The example as a line of JSON."""
    return json.dumps([getattr(example, name) for name in FIELDS]).encode() + b"\n"


def from_line(line: bytes) -> Example:
    """The example that `to_line` wrote."""
    values = dict(zip(FIELDS, json.loads(line), strict=True))
    values["options"] = tuple(values["options"])
    return Example(**values | {name: tuple(map(tuple, values[name])) for name in ("scores", "messages")})
