"""The stage `hygiene`: what the pool's sources share with the evaluation sets and with each other; it drops nothing.

It reads every row of every source, one source after the other, and every item of the evaluation sets, whatever
`limit` and `sample` later take of them, so that its tables do not change with the size of a study. The pool drops
what its recipe asks it to (`dropping.py`).

Rows pass in shards: of each a line of Rows and its sketch are kept, on disk while the stage works, and a few hundred
bytes in memory while groups are found. Evaluation sets are held in memory.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.errors import RecipeError
from winnow.parts import HygienePart
from winnow.pool.cleaning import users_turns
from winnow.pool.hygiene.contamination import (
    COVERED,
    EQUAL,
    RULES,
    SHARED_LONG,
    EvaluationIndex,
    Hits,
    Item,
    Row,
    SourceRow,
    table,
)
from winnow.pool.hygiene.duplicates import Found, Sketches, find_groups
from winnow.pool.hygiene.text_statistics import TextStatistics
from winnow.pool.loading import load_examples
from winnow.pool.shards import sorted_shards
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.examples import Example, digest, write_table
from winnow.text.questions import question_key

EXAMPLES, ITEMS, TABLES = "examples.parquet", "items.parquet", "hygiene.json"
EXAMPLES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("exact_group", pa.string()),
        ("near_group", pa.string()),
        ("masked_group", pa.string()),
        ("question_copies", pa.int32()),
        *((rule, pa.bool_()) for rule in RULES),
    ]
)
"""One line per row of the pool's sources. A group is named by the id of its first row, in the order of the recipe."""
ITEMS_SCHEMA = pa.schema(
    [
        ("set", pa.string()),
        ("id", pa.string()),
        ("question_hash", pa.string()),
        ("is_clean", pa.bool_()),
        ("cover", pa.float64()),
        ("row", pa.string()),
        *((rule, pa.list_(pa.string())) for rule in RULES),
    ]
)
"""One line per evaluation item. `question_hash`: the digest of its `question_key`, by which benchmarks know it;
`is_clean`: no source holds it by `equal_question`, `covered_8` or `shared_13`; `cover`: the greatest one; `row`: one
that holds it by the first rule that finds any; a rule's column names the sources."""
SHARD = 5_000
"""Rows that are looked up at once."""
GROUP_ROWS = 131_072
"""Rows of EXAMPLES that are written at once."""
ID_BYTES = 32
"""Room for an id without the name of its source: a colon, 16 digits, `#` and how often the row came before."""


class Rows:
    """What is kept of the sources' rows, in order: one line of a file each."""

    LINE = np.dtype(
        [
            ("source", np.uint16),
            ("id", f"S{ID_BYTES}"),
            ("exact", np.uint64),
            ("question", np.uint64),
            *((rule, np.bool_) for rule in RULES),
        ]
    )
    """Number of the source; id without its name; hashes of what the row says and of the question's key; rules."""

    def __init__(self, path: Path, sources: Sequence[str]) -> None:
        self.sources = list(sources)
        self._path = path
        self._size = 0
        path.write_bytes(b"")

    def __len__(self) -> int:
        return self._size

    def add(self, examples: Sequence[Example], texts: Sequence[str], found: Mapping[str, set[str]]) -> None:
        """Take in a shard of one source; `found` has the ids of the rows that each rule finds."""
        lines = np.zeros(len(examples), self.LINE)
        lines["source"] = self.sources.index(examples[0].source)
        lines["id"] = [example.id.removeprefix(example.source).encode() for example in examples]
        lines["exact"] = [_hash(" ".join(text.casefold().split())) for text in texts]
        lines["question"] = [_hash(question_key(example.question) or example.id) for example in examples]
        for rule, ids in found.items():
            lines[rule] = [example.id in ids for example in examples]
        with self._path.open("ab") as file:
            file.write(lines.tobytes())
        self._size += len(lines)

    def column(self, name: str) -> NDArray[Any]:
        """A column of LINE, [rows]."""
        return np.array(self.lines()[name])

    def lines(self) -> NDArray[np.void]:
        """[rows], of LINE, read from disk as needed."""
        return np.memmap(self._path, self.LINE, "r", shape=(self._size,))

    def ids(self, rows: NDArray[np.int64]) -> pa.Array:
        """The ids of these rows."""
        lines = self.lines()[rows]
        rests = pa.array(lines["id"]).cast(pa.string())
        return pc.binary_join_element_wise(pa.array(self.sources).take(pa.array(lines["source"])), rests, "")


def make_hygiene(part: HygienePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves EXAMPLES, ITEMS and TABLES. Raises RecipeError where a source is named as an evaluation set is."""
    started = time.perf_counter()
    _check_names(part)
    names, work = [source.name for source in part.sources], context.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    items = [item for source in part.sets for item in evaluation_items(load_examples(source, inputs).examples)]
    index, rows, sketches = EvaluationIndex(items), Rows(work / "rows", names), Sketches(work / "sketches")
    hits, sources = {}, []
    for number, source in enumerate(part.sources):
        context.progress.update(number, len(part.sources) + 1, source.name)
        statistics, before = TextStatistics(), len(rows)
        with sorted_shards(source, inputs, work / "source", completion=part.completion) as read:
            hits[source.name] = _take_in(read.shards, index, rows, sketches, statistics)
        counts = {"name": source.name, "licence": source.licence, "read": len(rows) - before}
        sources.append(counts | statistics.as_json())
    context.progress.update(len(part.sources), len(part.sources) + 1, "near-duplicates")
    duplicates = _write_examples(rows, find_groups(sketches, similarity=part.similarity), context.folder / EXAMPLES)
    shutil.rmtree(work)
    write_table(_items_table(items, hits), context.folder / ITEMS)
    tables = {
        "contamination": [_cell(row) for name, hit in hits.items() for row in table(name, hit, items)],
        "duplicates": duplicates,
        "sources": sources,
    }
    write_json(context.folder / TABLES, tables)
    numbers = {"examples": len(rows), "items": len(items)}
    return Outcome((EXAMPLES, ITEMS, TABLES), (), numbers, {"pool": Cost(seconds=time.perf_counter() - started)})


def _check_names(part: HygienePart) -> None:
    names = Counter(source.name for source in (*part.sources, *part.sets))
    twice = [name for name, times in names.items() if times > 1]
    if twice:
        raise RecipeError(
            f"pool.sources and evaluation.sets have two named {twice[0]!r}, which pool.hygiene could not tell apart; "
            "give each a name of its own"
        )


def evaluation_items(examples: Iterable[Example]) -> Iterator[Item]:
    """The items of an evaluation set; of a conversation, what the user says."""
    return (Item(example.source, example.id, example.question) for example in examples)


def text_of(example: Example) -> str:
    """All that a row says to a model: question, options, completion."""
    if example.messages:
        return " ".join(text for _, text in example.messages)
    return " ".join((example.question, *example.options, example.completion))


def as_row(example: Example, text: str) -> Row:
    """The example, with all that it says, as evaluation items are looked up in it."""
    return Row(example.id, (example.question, *users_turns(example)), text)


def _take_in(
    shards: Iterable[list[Example]], index: EvaluationIndex, rows: Rows, sketches: Sketches, statistics: TextStatistics
) -> Hits:
    """Enter the rows of one source; what of the evaluation sets stands in them, without the ids of the rows."""
    hits = index.hits([])
    for examples in shards:
        for start in range(0, len(examples), SHARD):
            shard = examples[start : start + SHARD]
            texts = [text_of(example) for example in shard]
            found = index.hits([as_row(example, text) for example, text in zip(shard, texts, strict=True)])
            rows.add(shard, texts, found.rows)
            sketches.add(texts)
            statistics.add(texts)
            hits.add(Hits({}, found.items, found.cover))
    return hits


def _write_examples(rows: Rows, found: Found, path: Path) -> list[dict[str, Any]]:
    """Write EXAMPLES, group of rows by group of rows; what is counted of copies, per source."""
    _, first, exact = np.unique(rows.column("exact"), return_index=True, return_inverse=True)
    _, question, copies = np.unique(rows.column("question"), return_inverse=True, return_counts=True)
    groups = {"exact": first[exact], "near": found.near, "masked": found.masked}
    times = copies[question].astype(np.int32)
    with pq.ParquetWriter(path, EXAMPLES_SCHEMA, compression="zstd") as writer:
        for start in range(0, len(rows), GROUP_ROWS):
            part = np.arange(start, min(start + GROUP_ROWS, len(rows)))
            lines = rows.lines()[part]
            columns = {"id": rows.ids(part), "source": pa.array(rows.sources).take(pa.array(lines["source"]))}
            columns |= {f"{kind}_group": rows.ids(group[part]) for kind, group in groups.items()}
            columns |= {"question_copies": times[part], **{rule: lines[rule] for rule in RULES}}
            writer.write_table(pa.table(columns, schema=EXAMPLES_SCHEMA))
    return duplicate_counts(rows, groups, times)


def _items_table(items: Sequence[Item], hits: Mapping[str, Hits]) -> pa.Table:
    lines = []
    for number, item in enumerate(items):
        holds = {rule: [name for name, hit in hits.items() if number in hit.items[rule]] for rule in RULES}
        cover, row = _closest(number, hits)
        is_clean = not (holds[EQUAL] or holds[COVERED] or holds[SHARED_LONG])
        key = digest(question_key(item.question))
        head = {"set": item.set, "id": item.id, "question_hash": key, "is_clean": is_clean, "cover": cover, "row": row}
        lines.append(head | holds)
    return pa.Table.from_pylist(lines, schema=ITEMS_SCHEMA)


def _closest(number: int, hits: Mapping[str, Hits]) -> tuple[float, str | None]:
    """The greatest cover of an item, and a row that holds it by the strictest rule that finds one."""
    cover = max((hit.cover.get(number, 0.0) for hit in hits.values()), default=0.0)
    rows = (hit.items[rule].get(number) for rule in (EQUAL, COVERED, SHARED_LONG, RULES[-1]) for hit in hits.values())
    return cover, next((row for row in rows if row is not None), None)


def _cell(row: SourceRow) -> dict[str, Any]:
    """One cell of the contamination table as plain values."""
    percents = {f"{rule}_percent": row.percent(rule) for rule in RULES}
    return {"source": row.source, "set": row.set, "items": row.items, **row.hits, **percents}


def duplicate_counts(
    rows: Rows, groups: Mapping[str, NDArray[np.int64]], question_copies: NDArray[np.int32]
) -> list[dict[str, Any]]:
    """Per source, rows that are not the first of their group, by each kind of group; and the questions asked again."""
    sources = rows.column("source")

    def counts(flags: NDArray[np.bool_]) -> list[int]:
        return list(np.bincount(sources[flags], minlength=len(rows.sources)).tolist())

    every = np.arange(len(rows))
    columns = {
        "examples": counts(np.ones(len(rows), bool)),
        **{kind: counts(group != every) for kind, group in groups.items()},
        "questions_asked_again": counts(question_copies > 1),
    }
    return [
        {"source": name} | {column: values[number] for column, values in columns.items()}
        for number, name in enumerate(rows.sources)
    ]


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
