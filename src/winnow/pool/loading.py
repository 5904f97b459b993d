"""From a source to uniform examples, or to plain documents: whatever its origin and format."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.pool.formats import TEXT, Parts, document_of, find_format
from winnow.pool.hygiene.reservoir import sample_to_budget
from winnow.pool.sources import Row, column, read_rows
from winnow.recipe import SourceRecipe
from winnow.records import Stored
from winnow.text.answers import MAX_OPTIONS, normalise_answer
from winnow.text.examples import CompletionKind, Example, build_example, digest, number_repeats

ROWS = "rows.parquet"


@dataclass(frozen=True)
class Loaded:
    """The examples of one source, sorted by id, and how many rows gave none."""

    source: SourceRecipe
    examples: list[Example]
    read: int
    dropped: dict[str, int]
    """Reason -> rows."""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row of a source."""

    row: Row
    """As it stood there."""
    parts: Parts
    scores: dict[str, float]
    planted: str | None = None
    """The fault planted in it, if it was generated."""


def load_examples(
    source: SourceRecipe, inputs: Mapping[str, Stored], *, completion: CompletionKind = "rationale"
) -> Loaded:
    """The usable examples of a source; a row that lacks a question or a usable answer is counted and left out.

    Raises DataError where none is left, RecipeError for an unknown format.
    """
    dropped = Counter[str]()
    examples = list(read_examples(source, inputs, dropped, completion=completion))
    return Loaded(source, number_repeats(examples), len(examples) + dropped.total(), dict(dropped))


def read_examples(
    source: SourceRecipe, inputs: Mapping[str, Stored], dropped: Counter[str], *, completion: CompletionKind
) -> Iterator[Example]:
    """The usable examples of a source one by one, as it holds them; the other rows are entered into `dropped`.

    Raises errors as `load_examples`, that of a source without any at the end.
    """
    is_empty = True
    for row in read_parts(source, inputs):
        parts = row.parts
        answer = normalise_answer(parts.answer)
        if fault := fault_of(parts, answer):
            dropped[fault] += 1
            continue
        is_empty = False
        yield build_example(
            source.name,
            parts.question,
            answer=answer,
            rationale=parts.rationale,
            options=parts.options,
            completion=completion,
            planted=row.planted,
            scores=row.scores,
            messages=parts.messages,
        )
    if is_empty:
        reasons = ", ".join(f"{count} with {reason}" for reason, count in dropped.items()) or "it has no rows"
        raise DataError(f"source {source.name!r} gives no examples: {reasons}; check its format and fields")


def read_parts(source: SourceRecipe, inputs: Mapping[str, Stored]) -> Iterator[ReadRow]:
    """What each row of a source says. Raises DataError where a row lacks a score that `scores:` names."""
    if source.passages is not None:
        raise DataError(f"source {source.name!r} holds passages, not questions; it is for base.pretrain.sources alone")
    if source.problems is None and source.synthetic is None:
        read = find_format(source.format)
        yield from (ReadRow(row, read(row, source), scores_of(row, source)) for row in read_rows(source))
        return
    for row in generated_rows(source, inputs):
        parts = Parts(row["question"], row["answer"], row["rationale"])
        yield ReadRow(row, parts, scores_of(row, source), row.get("planted"))


def scores_of(row: Row, source: SourceRecipe) -> dict[str, float]:
    """The row's numbers by name. Raises DataError where one is missing or is no finite number."""
    return {name: as_number(column(row, key, source), key, source) for name, key in source.scores.items()}


def as_number(value: Any, name: str, source: SourceRecipe) -> float:
    """A value as a number; text that spells one is taken too, since some files hold nothing else."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"source {source.name!r} has {value!r} in column {name!r}; a score must be a finite number in every row"
        )
    return number


def generated_rows(source: SourceRecipe, inputs: Mapping[str, Stored]) -> Iterator[Row]:
    """The rows that the built-in generator left for a source."""
    with pq.ParquetFile(inputs[f"generated.{source.name}"].folder / ROWS) as file:
        for batch in file.iter_batches(batch_size=4096):
            yield from batch.to_pylist()


def fault_of(parts: Parts, answer: str) -> str | None:
    """Why a row is of no use, in words that follow "with"; None where it is."""
    if not parts.question.strip():
        return "no question"
    if not answer:
        return "no answer"
    if any(not text.strip() for _, text in parts.messages):
        return "a message without text"
    if len(parts.options) == 1 or len(parts.options) > MAX_OPTIONS:
        return f"{len(parts.options)} options"
    if parts.options and answer not in ascii_uppercase[: len(parts.options)]:
        return "an answer that is none of the options"
    return None


def is_text(source: SourceRecipe) -> bool:
    """Whether a source holds plain documents."""
    return source.passages is not None or (source.path is not None and source.format == TEXT)


def load_documents(source: SourceRecipe, inputs: Mapping[str, Stored]) -> list[tuple[str, str]]:
    """Ids and texts of a source of plain documents, sorted; with `limit_words` a sample of them."""
    documents: Iterable[tuple[str, str]] = read_documents(source, inputs)
    if source.limit_words is not None:
        documents = sample_to_budget(
            documents, budget=source.limit_words, size=lambda it: len(it[1].split()), identity=lambda it: it[0], seed=0
        )
    found = sorted(documents)
    if not found:
        raise DataError(f"source {source.name!r} holds no text; check its path and text_field")
    return found


def read_documents(source: SourceRecipe, inputs: Mapping[str, Stored]) -> Iterator[tuple[str, str]]:
    """Ids and texts of a source of plain documents, one by one; empty ones are left out, and repeats end in #2, #3."""
    rows = generated_rows(source, inputs) if source.passages is not None else read_rows(source)
    texts = (row["text"] if source.passages is not None else document_of(row, source) for row in rows)
    seen: Counter[str] = Counter()
    for text in filter(str.strip, texts):
        identity = f"{source.name}:{digest(text)}"
        seen[identity] += 1
        yield identity if seen[identity] == 1 else f"{identity}#{seen[identity]}", text
