"""The stage that reads a source of plain text: its documents once each, in a random order, without evaluation text.

The order is that of hashes of (seed, content), so that its beginning is a sample of all documents, each as likely as
any other, and a shorter beginning is part of a longer one. Neither the order of the files nor how the documents lie in
them matters. Documents pass through files on disk (`random_order.py`): memory does not grow with the source.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.columns import array_of, read_columns
from winnow.errors import DataError
from winnow.parts import DocumentsPart
from winnow.pool.hygiene.contamination import Item
from winnow.pool.hygiene.held_items import HeldItems
from winnow.pool.loading import texts_of
from winnow.pool.random_order import Document, Portion, in_random_order
from winnow.pool.stages import DOCUMENTS, TESTS, TEXTS, cost_since
from winnow.records import Context, Outcome, Stored

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


@dataclass
class Tally:
    """What became of the documents of a source."""

    read: int = 0
    repeats: int = 0
    overlaps: int = 0
    """Left out, since an evaluation item stands in them."""
    found: set[tuple[str, str]] = field(default_factory=set)
    """Set and id of the evaluation items that stand in some document."""
    documents: int = 0
    """Kept."""
    bytes: int = 0
    """Of these, as UTF-8."""


def make_documents(part: DocumentsPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves `documents.parquet`: `id`, a hash of the content, and `text`, in the seeded order.

    A document that stands there twice is kept once; one that holds a question or a text of an evaluation set, by more
    than half of that item's words, is left out. Raises DataError where none is left.
    """
    started, tally, dropped = time.perf_counter(), Tally(), Counter[str]()
    source = part.source
    items = evaluation_items(inputs["tests"])
    held = HeldItems(items) if items else None
    texts = counted(texts_of(source, inputs, dropped), tally)
    with in_random_order(source.name, texts, context.folder / "pieces", seed=part.seed) as portions:
        kept = (document for portion in portions for document in _clean(portion, held, tally))
        _write(_limited(kept, source.limit, source.limit_words), context.folder / DOCUMENTS, tally)
    if not tally.documents:
        reasons = [f"{count:,} rows with {reason}" for reason, count in dropped.items()]
        reasons += [f"{tally.overlaps:,} stand in evaluation sets"] if tally.overlaps else []
        raise DataError(
            f"source {source.name!r} has no text that can be trained on ({', '.join(reasons) or 'it is empty'}); check "
            "its path and text_field"
        )
    numbers = {
        "source": source.name, "read": tally.read, "repeats": tally.repeats, "overlaps": tally.overlaps,
        "found_by_set": dict(sorted(Counter(name for name, _ in tally.found).items())), "documents": tally.documents,
        "bytes": tally.bytes, "dropped_by_reason": dict(sorted(dropped.items())),
    }  # fmt: skip
    return Outcome((DOCUMENTS,), numbers=numbers, costs=cost_since(started, "documents"))


def evaluation_items(tests: Stored) -> list[Item]:
    """The questions and the texts of all evaluation sets."""
    questions = read_columns(tests.folder / TESTS, ["source", "id", "question"])
    found = [Item(*row) for row in zip(*(column.to_pylist() for column in questions.columns), strict=True)]
    if (tests.folder / TEXTS).is_file():
        texts = read_columns(tests.folder / TEXTS, ["source", "id", "text"])
        found += [Item(*row) for row in zip(*(column.to_pylist() for column in texts.columns), strict=True)]
    return found


def counted(texts: Iterable[str], tally: Tally) -> Iterator[str]:
    """The same texts."""
    for text in texts:
        tally.read += 1
        yield text


def _clean(portion: Portion, held: HeldItems | None, tally: Tally) -> list[Document]:
    """The documents of a portion that hold no evaluation item."""
    tally.repeats += sum(times - 1 for _, times in portion)
    documents = [document for document, _ in portion]
    if held is None:
        return documents
    holders, items = held.holders([text for _, text in documents])
    tally.overlaps += len(holders)
    tally.found |= {(item.set, item.id) for item in map(held.items.__getitem__, items)}
    return [document for number, document in enumerate(documents) if number not in holders]


def _limited(documents: Iterable[Document], limit: int | None, limit_words: int | None) -> Iterator[Document]:
    """The first so many documents, or those that reach so many words."""
    count = words = 0
    for document in documents:
        if (limit is not None and count >= limit) or (limit_words is not None and words >= limit_words):
            return
        yield document
        count, words = count + 1, words + (len(document[1].split()) if limit_words is not None else 0)


BATCH_BYTES = 4_000_000
"""Of text in a row group of the file."""


def _write(documents: Iterable[Document], path: Path, tally: Tally) -> None:
    """Write them batch by batch, counting."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        batch, size = list[Document](), 0
        for document in documents:
            batch.append(document)
            length = len(document[1].encode())
            size, tally.bytes, tally.documents = size + length, tally.bytes + length, tally.documents + 1
            if size >= BATCH_BYTES:
                writer.write_table(_table(batch))
                batch, size = [], 0
        if batch:
            writer.write_table(_table(batch))


def _table(documents: list[Document]) -> pa.Table:
    columns = [array_of(values, pa.string()) for values in zip(*documents, strict=True)]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read_in_batches(path: Path) -> Iterator[list[Document]]:
    """The documents in a file in its order, a few MB of text at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            yield list(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
