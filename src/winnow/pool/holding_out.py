"""Rows held out of a data file to be measured on, where nobody gives an evaluation set.

    held = hold_out(Path("mine.jsonl"), guess, share=0.1, most=100)
    write_rows(held.rows, Path("mine.heldout.jsonl"))

The file itself stays as it is: the pool drops every row that asks a question of an evaluation set, and counts it, so
that nothing held out is trained on.
"""

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from winnow.errors import DataError
from winnow.pool.cleaning import rank
from winnow.pool.file_types import read_file
from winnow.pool.formats import reader_of
from winnow.pool.guessing import Guess
from winnow.pool.loading import ReadRow, example_of, parts_of
from winnow.pool.sources import Row
from winnow.store import write_atomic
from winnow.text.examples import Example
from winnow.text.questions import question_key

FEWEST = 5
SEED = 0


@dataclass(frozen=True)
class HeldOut:
    """Rows of a file, as they stand there."""

    rows: tuple[Row, ...]
    total: int
    """Of the file."""


def hold_out(path: Path, guess: Guess, *, share: float, most: int) -> HeldOut:
    """A sample of usable rows with different questions: `share` of the file, `most` at most.

    Drawn by a hash of each row, so that neither order nor chance decides. Raises DataError where too few are left.
    """
    source, total = guess.source("held_out", str(path)), 0

    def counted() -> Iterator[Row]:
        nonlocal total
        for row in read_file(path):
            total += 1
            yield row

    drawn = heapq.nsmallest(4 * most, counted(), key=lambda row: rank(spelled(row), SEED))
    chosen: dict[str, Row] = {}
    read = reader_of(source)
    for row in drawn:
        example = example_of(source, ReadRow(row, parts_of(row, read, source), {}))
        if isinstance(example, Example):
            chosen.setdefault(question_key(example.question), row)
    kept = [*chosen.values()][: min(most, int(share * total))]
    if len(kept) < FEWEST:
        raise DataError(
            f"{path} has {total} rows, too few to hold {FEWEST} out to be measured on ({share:.0%} at most); give "
            "--eval FILE"
        )
    return HeldOut(tuple(kept), total)


def spelled(row: Row) -> str:
    """A row as a line of JSON; what JSON does not have as text."""
    return json.dumps(row, ensure_ascii=False, default=str)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as JSON Lines."""
    write_atomic(path, "".join(f"{spelled(row)}\n" for row in rows))
