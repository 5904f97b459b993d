"""Rows of plain text: which tokens each row of a run holds.

A source is read as an endless stream: its documents end to end, each with its end token, epoch after epoch, each epoch
in an order drawn from (seed, source, epoch). Its j-th row is the stream's j-th stretch of `context_tokens`, and the run
says which source its n-th row is from. So a row is a pure function of (seed, n): a run that goes on, or trains on
another number of processes, needs no saved position.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.budget import VisitPlan
from winnow.kinds import KINDS
from winnow.mixing.order import schedule_order
from winnow.mixing.record import mixture_record
from winnow.mixing.schedule import Schedule
from winnow.mixing.sources import source_seed
from winnow.mixing.stage import read_schedule
from winnow.models.forward import Batch
from winnow.records import Stored
from winnow.store import read_json
from winnow.text.token_cache import TokenCache

EPOCHS_KEPT = 2
"""Orders in memory, of each source: a row may begin in one epoch and end in the next."""
STRETCH_DOCUMENTS = 512
"""Whose places are at hand as plain integers."""


Stretch = tuple[list[int], list[int]]
"""Of documents that follow each other in a stream: where each begins in it, and the last one ends; and how much
further each lies in the source's tokens."""


class Stream:
    """The documents of a source end to end, without end."""

    def __init__(self, name: str, cache: TokenCache, *, seed: int) -> None:
        self.name, self.cache, self.lengths = name, cache, cache.lengths
        self.dtype = cache.tokens.dtype
        self._tokens = np.asarray(cache.tokens)  # whose slices cost less than those of a memmap
        self._stretch: Stretch = [0, 0], [0]
        self._seed = seed
        self._epochs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    @property
    def epoch_tokens(self) -> int:
        """Tokens of one epoch, end tokens included."""
        return int(self.cache.starts[-1])

    def read(self, start: int, count: int) -> NDArray[np.int64]:
        """The tokens [count] from this place of the stream on."""
        found = np.empty(count, dtype=self.dtype)
        self.read_into(found, start)
        return found.astype(np.int64)

    def read_into(self, found: NDArray[Any], start: int) -> None:
        """Fill `found` [count], of type `dtype`, with the tokens from this place of the stream on."""
        at, stop = start, start + len(found)
        while at < stop:
            begins, shifts = self._stretch_at(at)
            place, last = bisect_right(begins, at) - 1, min(stop, begins[-1])
            while at < last:
                end, shift = min(begins[place + 1], last), shifts[place]
                found[at - start : end - start] = self._tokens[at + shift : end + shift]
                at, place = end, place + 1

    def _stretch_at(self, at: int) -> Stretch:
        """The stretch that this place of the stream lies in; rows that follow each other find it as it was left."""
        begins = self._stretch[0]
        if not begins[0] <= at < begins[-1]:
            epoch, offset = divmod(at, self.epoch_tokens)
            order, starts = self._epoch(epoch)
            first = int(np.searchsorted(starts, offset, side="right")) - 1
            first -= first % STRETCH_DOCUMENTS
            numbers = order[first : first + STRETCH_DOCUMENTS]
            places = epoch * self.epoch_tokens + starts[first : first + len(numbers)]
            end = int(places[-1]) + int(self.lengths[numbers[-1]])
            self._stretch = [*places.tolist(), end], (self.cache.starts[numbers] - places).tolist()
        return self._stretch

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order of an epoch's documents, and where each begins in it."""
        if epoch not in self._epochs:
            order = np.random.default_rng(source_seed(self._seed, self.name, epoch)).permutation(len(self.lengths))
            starts = np.concatenate([[0], np.cumsum(self.lengths[order])[:-1]]).astype(np.int64)
            self._epochs = dict([*self._epochs.items(), (epoch, (order, starts))][-EPOCHS_KEPT:])
        return self._epochs[epoch]


@dataclass(frozen=True)
class RowNames(Sequence[str]):
    """What messages call the rows of a run."""

    rows: "TextRows"

    def __len__(self) -> int:
        return len(self.rows.order)

    def __getitem__(self, number: Any) -> Any:
        source = self.rows.streams[self.rows.order[number]]
        return f"{source.name}:row{self.rows.ranks[number]}"


@dataclass(frozen=True)
class TextRows:
    """All rows of a run, none of them in memory."""

    streams: tuple[Stream, ...]
    context_tokens: int
    order: NDArray[np.int16]
    """[rows]; which source each row is from."""
    read_before: tuple[int, ...]
    """Rows of each source that were read before the first of these."""

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """[rows]; how many rows before it are from the same source, and what was read before the run."""
        found = np.empty(len(self.order), dtype=np.int64)
        for number in range(len(self.streams)):
            of_source = np.flatnonzero(self.order == number)
            found[of_source] = self.read_before[number] + np.arange(len(of_source))
        return found

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """[rows]; all alike."""
        return np.full(len(self.order), self.context_tokens, dtype=np.int64)

    @property
    def names(self) -> RowNames:
        """A name for each row."""
        return RowNames(self)

    def ids(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """[numbers, context_tokens]: the tokens of these rows."""
        found = np.empty((len(numbers), self.context_tokens), dtype=self.streams[0].dtype)
        sources, ranks = self.order[numbers].tolist(), self.ranks[numbers].tolist()
        for row, source, rank in zip(found, sources, ranks, strict=True):
            self.streams[source].read_into(row, rank * self.context_tokens)
        return found.astype(np.int64)


class TextBatches:
    """The rows of a run, one global batch after the other."""

    def __init__(self, rows: TextRows, plan: VisitPlan, *, global_batch_size: int, micro_batch_size: int) -> None:
        self.rows, self.plan = rows, plan
        self.global_batch_size, self.micro_batch_size = global_batch_size, micro_batch_size

    def micro_batches(self, step: int, size: int | None = None) -> list[Batch]:
        """The micro-batches of a step (from 0), of up to `size` rows; every token but a row's first is a target."""
        count = size or self.micro_batch_size
        first = step * self.global_batch_size
        last = min(first + self.global_batch_size, self.plan.visits)
        return [self._batch(range(start, min(start + count, last))) for start in range(first, last, count)]

    def _batch(self, numbers: range) -> Batch:
        ids = torch.from_numpy(self.rows.ids(numbers))
        is_target = torch.ones(ids.shape, dtype=torch.bool)
        is_target[:, 0] = False
        return Batch(ids, is_target, list(numbers), ids.numel())


@dataclass(frozen=True)
class TextPool:
    """The sources of a run and how it mixes them, before it is known how many rows it has."""

    streams: tuple[Stream, ...]
    schedule: Schedule
    context_tokens: int
    read_before: Mapping[str, int] = field(default_factory=dict)
    """Source -> rows that the model has read of it: runs go on behind them."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[1]: what every row of it has."""
        return np.array([self.context_tokens], dtype=np.int64)

    @property
    def unique_rows(self) -> int:
        """Rows that all sources fill once."""
        return sum(stream.epoch_tokens for stream in self.streams) // self.context_tokens

    def rows(self, count: int, *, whole: int | None = None) -> TextRows:
        """The rows of a run of so many; of a branch the first of those that the `whole` longer run has."""
        names = [stream.name for stream in self.streams]
        order = schedule_order(self.schedule, names, whole or count)[:count]
        before = tuple(self.read_before.get(name, 0) for name in names)
        return TextRows(self.streams, self.context_tokens, order, before)

    def record(self, rows: TextRows) -> dict[str, Any]:
        """What records say of what a run reads; see `mixture_record`."""
        return mixture_record(
            self.schedule, [stream.name for stream in self.streams], [stream.epoch_tokens for stream in self.streams],
            sources=rows.order, tokens=rows.lengths, read_before=rows.read_before,
        )  # fmt: skip


def unique_rows(inputs: Mapping[str, Stored], *, row_tokens: int) -> int:
    """Rows that all sources of a run fill once, as the artifacts of their tokens say."""
    return sum(each.numbers["tokens"] for role, each in inputs.items() if role.startswith("tokens.")) // row_tokens


def text_pool(
    inputs: Mapping[str, Stored], *, context_tokens: int, seed: int, source_fraction: float = 1.0
) -> TextPool:
    """The sources of a run, or the first documents of each with this share of its tokens.

    Raises ArtifactError where the tokens of one are damaged.
    """
    schedule, names = read_schedule(inputs["mixture"])
    caches = [TokenCache.open(inputs[f"tokens.{name}"].folder).first(source_fraction) for name in names]
    streams = [Stream(name, cache, seed=seed) for name, cache in zip(names, caches, strict=True)]
    return TextPool(tuple(streams), schedule, context_tokens, _read_before(inputs))


def _read_before(inputs: Mapping[str, Stored]) -> dict[str, int]:
    """Source -> rows that the model which a run starts from has read, and that before it."""
    path = inputs["start"].folder / KINDS["train"].record.file if "start" in inputs else None
    mixed = read_json(path).get("mixture") if path is not None and path.is_file() else None
    return {row["source"]: row["read_before"] + row["rows"] for row in mixed["sources"]} if mixed else {}
