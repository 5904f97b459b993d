"""From given rows to candidates: identity, source and text of each row that may be chosen."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from winnow.errors import DataError
from winnow.pool.rows import GIVEN_SCHEMA, open_writer
from winnow.select_api.given import GivenRows
from winnow.select_api.shapes import Said, Shape, missing
from winnow.selection.views import IntArray
from winnow.text.cells import is_missing, kind_of
from winnow.text.examples import digest
from winnow.text.questions import question_key

ONE_SOURCE = "data"
"""Name of the source of rows that have no column for it."""


@dataclass(frozen=True)
class Columns:
    """Columns beside those of the text."""

    source: str | None = None
    id: str | None = None
    scores: tuple[str, ...] = ()

    @property
    def named(self) -> list[str]:
        """All of them."""
        return [*(name for name in (self.source, self.id) if name), *self.scores]


@dataclass(frozen=True)
class Candidates:
    """The rows that may be chosen, in the order in which they were given."""

    ids: pa.Array
    positions: IntArray
    """Where each stands among the given rows."""
    removed: dict[str, int]
    """Reason -> rows that are no candidates."""

    def rows_of(self, ids: pa.Array) -> IntArray:
        """Positions of the rows with these ids among the given rows."""
        return self.positions[pc.index_in(ids, value_set=self.ids).to_numpy()]


def write_candidates(
    given: GivenRows, shape: Shape, columns: Columns, path: Path, *, what: str, unwanted: Mapping[str, Collection[str]]
) -> Candidates:
    """Write the candidates in GIVEN_SCHEMA, a batch at a time, and say which of the given rows they are.

    `unwanted`: reason -> keys of questions that make a row no candidate. A row's id is its source and a hash of its
    text, so the order of rows does not matter; exact repeats end in #2, #3. Raises DataError where none is left.
    """
    namer, removed = _Ids(columns, what), Counter[str]()
    ids: list[str] = []
    positions: list[int] = []
    start = 0
    with open_writer(path, GIVEN_SCHEMA) as writer:
        for table in given.batches(list(dict.fromkeys([*shape.columns, *columns.named]))):
            reasons = [(said, said.fault or _reason(said, unwanted)) for said in shape.read(table)]
            removed.update(reason for _, reason in reasons if reason)
            kept = [(row, said) for row, (said, reason) in enumerate(reasons) if not reason]
            batch = _batch(table, kept, columns, namer)
            writer.write_table(batch)
            ids += batch["id"].to_pylist()
            positions += [start + row for row, _ in kept]
            start += len(table)
    if not ids:
        why = ", ".join(f"{count} removed: {reason}" for reason, count in removed.items())
        raise DataError(
            f"no row of {what} is left ({why}); see `columns` and `evaluation`; what is read are texts and numbers"
        )
    return Candidates(pa.array(ids, pa.string()), np.array(positions, dtype=np.int64), dict(removed))


def question_keys(given: GivenRows, shape: Shape) -> set[str]:
    """Keys of all questions in rows."""
    keys = {question_key(said.question) for table in given.batches(shape.columns) for said in shape.read(table)}
    return keys - {""}


def _reason(said: Said, unwanted: Mapping[str, Collection[str]]) -> str | None:
    if not unwanted:
        return None
    key = question_key(said.question)
    return next((reason for reason, keys in unwanted.items() if key in keys), None)


class _Ids:
    """Gives each row an id of its own."""

    def __init__(self, columns: Columns, what: str) -> None:
        self.column, self.what = columns.id, what
        self.times = Counter[str]()

    def of(self, rows: pa.Table, sources: list[str], said: list[Said]) -> list[str]:
        """The ids of rows: the user's own, which must not repeat, or hashes of content, with #2, #3 at repeats."""
        if self.column is not None:
            names = list(_texts(rows[self.column], "id", self.what))
        else:
            pairs = zip(sources, said, strict=True)
            names = [f"{where}:{digest(f'{len(each.prompt)}:{each.prompt}{each.completion}')}" for where, each in pairs]
        return [self._number(name) for name in names]

    def _number(self, name: str) -> str:
        self.times[name] += 1
        times = self.times[name]
        if times > 1 and self.column is not None:
            raise DataError(f"the id {name!r} stands twice in {self.what}; ids must be distinct")
        return name if times == 1 else f"{name}#{times}"


def _batch(table: pa.Table, kept: list[tuple[int, Said]], columns: Columns, ids: _Ids) -> pa.Table:
    rows, said = table.take(pa.array([row for row, _ in kept], pa.int64())), [each for _, each in kept]
    source = columns.source
    sources = [ONE_SOURCE] * len(said) if source is None else list(_texts(rows[source], "source", ids.what))
    return pa.table(
        {
            "id": ids.of(rows, sources, said),
            "source": sources,
            "prompt": [each.prompt for each in said],
            "completion": [each.completion for each in said],
            "scores": [_scores(row) for row in rows.select(list(columns.scores)).to_pylist()]
            if columns.scores
            else [[]] * len(said),
        },
        schema=GIVEN_SCHEMA,
    )


def _texts(values: pa.ChunkedArray, part: str, what: str) -> Iterator[str]:
    for value in values.to_pylist():
        if is_missing(value):
            raise DataError(f"a row of {what} has no {part}; fill the column, or leave {part!r} out of `columns`")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise DataError(f"a row of {what} has {kind_of(value)} as its {part}; give text or numbers")
        yield str(value)


def _scores(row: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(name, _score(value, name)) for name, value in row.items()]


def _score(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value)[:60]
        raise DataError(f"a row has no number as its score ({name}: {shown}); fill the column or choose another")
    return number


def columns_of(given: GivenRows, named: Mapping[str, str], scores: tuple[str, ...], what: str) -> Columns:
    """The columns beside those of the text. Raises DataError where a score's is not there."""
    for name in scores:
        if name not in given.columns:
            raise missing(name, given.columns, what)
    return Columns(named.get("source"), named.get("id"), scores)
