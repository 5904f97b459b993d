"""Rows of plain text: which tokens each row of a run holds.

A source is read as an endless stream: its documents end to end, each with its end token, epoch after epoch, each epoch
in an order drawn from (seed, source, epoch). Its j-th row is the stream's j-th stretch of `context_tokens`, and the run
says which source its n-th row is from. So a row is a pure function of (seed, n): a run that goes on, or trains on
another number of processes, needs no saved position.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.budget import VisitPlan
from winnow.mixing.order import schedule_order
from winnow.mixing.repeats import effective_tokens
from winnow.mixing.schedule import Schedule, time_averages
from winnow.mixing.stage import read_schedule
from winnow.models.forward import Batch
from winnow.records import Stored
from winnow.text.token_cache import TokenCache

EPOCHS_KEPT = 2
"""Orders in memory, of each source: a row may begin in one epoch and end in the next."""
POINTS = 50
"""Of a run at which records say what it has read so far."""


class Stream:
    """The documents of a source end to end, without end."""

    def __init__(self, name: str, cache: TokenCache, *, seed: int) -> None:
        self.name, self.cache, self.lengths = name, cache, cache.lengths
        self._key = seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        self._epochs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    @property
    def epoch_tokens(self) -> int:
        """Tokens of one epoch, end tokens included."""
        return int(self.cache.starts[-1])

    def read(self, start: int, count: int) -> NDArray[np.int64]:
        """The tokens [count] from this place of the stream on."""
        found, done = np.empty(count, dtype=np.int64), 0
        for piece in self._pieces(start):
            part = piece[: count - done]
            found[done : done + len(part)] = part
            done += len(part)
            if done == count:
                break
        return found

    def _pieces(self, start: int) -> Iterator[NDArray[Any]]:
        """What is left of the document at this place, then the documents after it."""
        epoch, offset = divmod(start, self.epoch_tokens)
        while True:
            order, starts = self._epoch(epoch)
            first = int(np.searchsorted(starts, offset, side="right")) - 1
            for place in range(first, len(order)):
                yield self.cache.document(order[place])[max(0, offset - int(starts[place])) :]
            epoch, offset = epoch + 1, 0

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order of an epoch's documents, and where each begins in it."""
        if epoch not in self._epochs:
            order = np.random.default_rng([*self._key, epoch]).permutation(len(self.lengths))
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

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """[rows]; how many rows before it are from the same source."""
        found = np.empty(len(self.order), dtype=np.int64)
        for number in range(len(self.streams)):
            of_source = np.flatnonzero(self.order == number)
            found[of_source] = np.arange(len(of_source))
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
        found = np.empty((len(numbers), self.context_tokens), dtype=np.int64)
        for place, number in enumerate(numbers):
            stream = self.streams[self.order[number]]
            found[place] = stream.read(int(self.ranks[number]) * self.context_tokens, self.context_tokens)
        return found


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

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[1]: what every row of it has."""
        return np.array([self.context_tokens], dtype=np.int64)

    @property
    def unique_rows(self) -> int:
        """Rows that all sources fill once."""
        return sum(stream.epoch_tokens for stream in self.streams) // self.context_tokens

    def rows(self, count: int) -> TextRows:
        """The rows of a run of so many."""
        order = schedule_order(self.schedule, [stream.name for stream in self.streams], count)
        return TextRows(self.streams, self.context_tokens, order)

    def told(self, rows: TextRows) -> dict[str, Any]:
        """What records say of what a run reads: by source asked and realised, and how that went over the run."""
        counts = np.bincount(rows.order, minlength=len(self.streams))
        asked = time_averages(self.schedule, [stream.name for stream in self.streams])
        ends = np.unique(np.linspace(0, len(rows.order), min(POINTS, len(rows.order)) + 1).astype(np.int64))
        on_the_way = [np.bincount(rows.order[:end], minlength=len(self.streams)).tolist() for end in ends]
        return {
            "sources": [
                {
                    "source": stream.name, "asked_share": asked[stream.name],
                    "realised_share": float(counts[number] / len(rows.order)), "rows": int(counts[number]),
                    "tokens": int(counts[number]) * self.context_tokens, "unique_tokens": stream.epoch_tokens,
                    "epochs": (epochs := float(counts[number] * self.context_tokens / stream.epoch_tokens)),
                    "effective_tokens": effective_tokens(stream.epoch_tokens, epochs),
                }
                for number, stream in enumerate(self.streams)
            ],
            "between": self.schedule.between,
            "knots": [{"at": knot.at, "shares": dict(knot.shares)} for knot in self.schedule.knots],
            "rows": ends.tolist(), "rows_by_source": on_the_way,
        }  # fmt: skip


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
    return TextPool(tuple(streams), schedule, context_tokens)
