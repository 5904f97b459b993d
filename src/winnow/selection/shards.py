"""Shards: pieces of a pool in the order of ids, each represented on its own and left in a file of its own.

    examples = read_examples(folder / "train.parquet", columns=("prompt_ids", "completion_ids"))
    for shard in cut_into_shards("train.parquet", len(examples.order), shard_size=4096):
        make_shard(extractor, examples, shard, drafts)

Batches never cross the bounds of a shard, so its bits depend on the recipe and on the examples alone: not on who makes
it, when, or in which order. A file becomes visible by one rename, when it is complete.
"""

import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from winnow.records import Cost
from winnow.selection.views import IntArray, check_finite, id_order
from winnow.store import write_atomic

Tell = Callable[[int], None]
"""Hears how many examples of a shard are done."""


def silent(done: int) -> None:
    """Nothing."""


@dataclass(frozen=True)
class Computed:
    """What was made of some examples, in their order."""

    rows: NDArray[Any] | sparse.csr_array
    """[examples, dimensions] float32, [examples] float64, or [examples, buckets] counts."""
    cost: Cost = Cost()
    truncated: int = 0
    """Examples that were cut to the proxy model's context."""


@dataclass(frozen=True)
class FirstPass:
    """What must be known of the pool before any shard can be made."""

    examples: int
    """How many of the pool's examples are looked at, evenly spaced by id."""
    compute: Callable[[pa.Table, Tell], Computed]
    """Makes one array of them all."""
    then: Callable[[NDArray[Any]], "Extractor"]
    """Makes of that array the extractor for the shards."""


@dataclass(frozen=True)
class Extractor:
    """Turns examples into vectors, scores or counts: a pure function of the examples it is given."""

    columns: tuple[str, ...]
    """Of the pool's file."""
    compute: Callable[[pa.Table, Tell], Computed]
    first_pass: FirstPass | None = None


@dataclass(frozen=True)
class Examples:
    """Some columns of a pool's file, sorted by id."""

    table: pa.Table
    order: IntArray
    """Where each row stands in the file."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows `start` to `stop` of a pool's file, in the order of ids."""

    split: str
    """Name of the file."""
    start: int
    stop: int

    def path(self, folder: Path) -> Path:
        """Where what was made of it is left."""
        return folder / f"{Path(self.split).stem}.{self.start:010d}.npz"


def read_examples(path: Path, columns: tuple[str, ...]) -> Examples:
    """These columns of a pool's file. Raises DataError where an id stands twice or there are no rows."""
    table = pq.read_table(path, columns=["id", *columns])
    order = id_order(table["id"].to_pylist())
    is_sorted = bool((order == np.arange(len(order))).all())
    return Examples(table if is_sorted else table.take(order), order)


def cut_into_shards(split: str, examples: int, *, shard_size: int) -> list[Shard]:
    """The shards of a file with so many examples."""
    starts = range(0, examples, shard_size)
    return [Shard(split, start, min(start + shard_size, examples)) for start in starts]


def make_shard(extractor: Extractor, examples: Examples, shard: Shard, folder: Path, tell: Tell = silent) -> None:
    """Leave what the extractor makes of a shard in `folder`, unless it is there. Raises DataError for NaN."""
    if shard.path(folder).is_file():
        return
    table = examples.table.slice(shard.start, shard.stop - shard.start)
    leave(shard.path(folder), lambda: extractor.compute(table, tell))


def spread(examples: Examples, size: int) -> pa.Table:
    """At most `size` examples, evenly spaced by id."""
    count = len(examples.order)
    return examples.table.take(np.linspace(0, count - 1, min(size, count)).astype(np.int64))


def leave(path: Path, compute: Callable[[], Computed]) -> None:
    """Write what is computed, with its cost and the seconds it took, in one file that appears when it is complete."""
    started = perf_counter()
    computed = compute()
    rows = computed.rows
    if isinstance(rows, np.ndarray):
        check_finite(rows, "the representations")
        parts: dict[str, Any] = {"rows": rows}
    else:
        parts = {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr, "shape": np.array(rows.shape)}
    cost = replace(computed.cost, seconds=perf_counter() - started)
    notes = json.dumps({"cost": asdict(cost), "truncated": computed.truncated})
    buffer = io.BytesIO()
    np.savez(buffer, notes=np.array(notes), **parts)
    write_atomic(path, buffer.getvalue())


def read_rows(path: Path) -> Any:
    """The array or the sparse counts in a file that `leave` wrote."""
    with np.load(path) as parts:
        if "rows" in parts:
            return parts["rows"]
        shape = tuple(parts["shape"].tolist())
        return sparse.csr_array((parts["data"], parts["indices"], parts["indptr"]), shape=shape)


def read_notes(path: Path) -> tuple[Cost, int]:
    """What a file took to make, and how many of its examples were cut."""
    with np.load(path) as parts:
        notes = json.loads(str(parts["notes"]))
    return Cost(**notes["cost"]), notes["truncated"]
