"""The stage `hygiene`: what the pool's sources share with the evaluation sets and with each other; it drops nothing.

It reads every row of every source, one source after the other, and every item of the evaluation sets, whatever
`limit` and `sample` later take of them, so that its tables do not change with the size of a study. The pool drops
what its recipe asks it to (`dropping.py`).
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

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
from winnow.pool.hygiene.text_statistics import text_statistics
from winnow.pool.loading import load_examples
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


@dataclass
class Read:
    """What is kept of the sources' rows, in order."""

    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    exact: list[bytes] = field(default_factory=list)
    """Hash of what the row says."""
    questions: list[bytes] = field(default_factory=list)
    """Hash of the question's key."""

    def add(self, example: Example) -> None:
        """Take in a row."""
        self.ids.append(example.id)
        self.sources.append(example.source)
        self.exact.append(_hash(" ".join(text_of(example).casefold().split())))
        self.questions.append(_hash(question_key(example.question) or example.id))


def make_hygiene(part: HygienePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves EXAMPLES, ITEMS and TABLES. Raises RecipeError where a source is named as an evaluation set is."""
    started = time.perf_counter()
    _check_names(part)
    items = [item for source in part.sets for item in evaluation_items(load_examples(source, inputs).examples)]
    index, read, sketches = EvaluationIndex(items), Read(), Sketches(context.folder / "sketches")
    hits, sources = {}, []
    for number, source in enumerate(part.sources):
        context.progress.update(number, len(part.sources) + 1, source.name)
        examples = load_examples(source, inputs, completion=part.completion).examples
        hits[source.name] = _take_in(examples, index, read, sketches)
        statistics = text_statistics([text_of(example) for example in examples]).as_json()
        sources.append({"name": source.name, "licence": source.licence, "read": len(examples)} | statistics)
    context.progress.update(len(part.sources), len(part.sources) + 1, "near-duplicates")
    found = find_groups(sketches, similarity=part.similarity)
    shutil.rmtree(context.folder / "sketches")
    examples_table = _examples_table(read, found, hits)
    write_table(examples_table, context.folder / EXAMPLES)
    write_table(_items_table(items, hits), context.folder / ITEMS)
    tables = {
        "contamination": [_cell(row) for name, hit in hits.items() for row in table(name, hit, items)],
        "duplicates": duplicate_counts(examples_table, [source.name for source in part.sources]),
        "sources": sources,
    }
    write_json(context.folder / TABLES, tables)
    numbers = {"examples": len(read.ids), "items": len(items)}
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


def _take_in(examples: Sequence[Example], index: EvaluationIndex, read: Read, sketches: Sketches) -> Hits:
    """Enter the rows of one source; what of the evaluation sets stands in them."""
    hits = index.hits([])
    for start in range(0, len(examples), SHARD):
        shard = examples[start : start + SHARD]
        for example in shard:
            read.add(example)
        texts = [text_of(example) for example in shard]
        sketches.add(texts)
        rows = [
            Row(example.id, (example.question, *users_turns(example)), text)
            for example, text in zip(shard, texts, strict=True)
        ]
        hits.add(index.hits(rows))
    return hits


def _examples_table(read: Read, found: Found, hits: Mapping[str, Hits]) -> pa.Table:
    ids = np.array(read.ids, dtype=object)
    first: dict[bytes, str] = {}
    exact = [first.setdefault(each, identity) for each, identity in zip(read.exact, read.ids, strict=True)]
    copies = Counter(read.questions)
    flags = {
        rule: [identity in hits[source].rows[rule] for identity, source in zip(read.ids, read.sources, strict=True)]
        for rule in RULES
    }
    columns = {
        "id": read.ids,
        "source": read.sources,
        "exact_group": exact,
        "near_group": ids[found.near].tolist(),
        "masked_group": ids[found.masked].tolist(),
        "question_copies": [copies[question] for question in read.questions],
    }
    return pa.table(columns | flags, schema=EXAMPLES_SCHEMA)


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


def duplicate_counts(examples: pa.Table, sources: Sequence[str]) -> list[dict[str, Any]]:
    """Per source, rows that are not the first of their group, by each kind of group; and the questions asked again."""
    ids, names = examples["id"].to_pylist(), examples["source"].to_pylist()
    counts = {name: Counter[str]() for name in sources}
    groups = {kind: examples[f"{kind}_group"].to_pylist() for kind in ("exact", "near", "masked")}
    for place, (identity, name) in enumerate(zip(ids, names, strict=True)):
        counts[name].update(kind for kind, group in groups.items() if group[place] != identity)
    copies = examples["question_copies"].to_pylist()
    asked_again = Counter(name for name, times in zip(names, copies, strict=True) if times > 1)
    return [
        {
            "source": name,
            "examples": names.count(name),
            "exact": counts[name]["exact"],
            "near": counts[name]["near"],
            "masked": counts[name]["masked"],
            "questions_asked_again": asked_again[name],
        }
        for name in sources
    ]


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
