"""From a source to uniform examples, or to plain documents: whatever its origin and format."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import pyarrow.parquet as pq

from winnow.errors import DataError, nearest
from winnow.pool.formats import Format, Parts, document_of, reader_of, tells_by_row
from winnow.pool.hygiene.reservoir import sample_to_budget
from winnow.pool.sources import Row, column, paths_of, read_rows
from winnow.recipe import SourceRecipe
from winnow.recipe.row_templates import columns_of
from winnow.records import Stored
from winnow.text.answers import MAX_OPTIONS, normalise_answer, written_answer
from winnow.text.cells import Unreadable
from winnow.text.examples import CompletionKind, Example, build_example, digest, number_repeats
from winnow.text.open_answers import MOST_OPEN

ROWS = "rows.parquet"
NEEDS = {
    "chat": "a list of {role, content} in each row, content being a text or its text parts",
    "sharegpt": "a list of {from, value} in each row, from being human, gpt or system",
    "gsm8k": "texts whose last line is #### and the final answer",
}
"""Format -> what it needs; others need text, numbers or the text parts of messages."""


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
    is_empty, first = True, None
    for number, row in enumerate(read_parts(source, inputs), start=1):
        example = example_of(source, row, completion=completion)
        if isinstance(example, Example):
            is_empty = False
            yield example
            continue
        dropped[example] += 1
        first = first or (None if row.parts.fault is None else (number, row.parts.fault))
    if is_empty:
        raise no_examples(source, dropped, first)


def example_of(source: SourceRecipe, row: ReadRow, *, completion: CompletionKind = "rationale") -> Example | str:
    """The example that a row gives, or why it gives none, in words that follow "with"."""
    parts = row.parts
    answer = parts.answer if parts.is_open else normalise_answer(parts.answer)
    if fault := fault_of(parts, answer):
        return fault
    return build_example(
        source.name,
        parts.question,
        answer=answer,
        rationale=parts.rationale,
        options=parts.options,
        completion=completion,
        planted=row.planted,
        scores=row.scores,
        messages=parts.messages,
        is_open=parts.is_open,
        prompt=parts.prompt,
        written=None if parts.is_open else written_answer(parts.answer),
    )


def no_examples(source: SourceRecipe, dropped: Mapping[str, int], first: tuple[int, str] | None) -> DataError:
    """The error for a source of which no row is of use; `first` is the first that cannot be read, and why."""
    reasons = ", ".join(f"{count:,} with {reason}" for reason, count in dropped.items()) or "it has no rows"
    if first is None:
        return DataError(f"source {source.name!r} gives no examples: {reasons}; check its format and fields")
    number, fault = first
    needs = NEEDS.get(source.format, "text, numbers or the text parts of messages in its columns")
    name = "fields" if source.has_templates else source.format
    return DataError(
        f"source {source.name!r} has {fault} in row {number:,} of {', '.join(paths_of(source))}, and no row of use "
        f"({reasons}); format {name} needs {needs}"
    )


def read_parts(source: SourceRecipe, inputs: Mapping[str, Stored]) -> Iterator[ReadRow]:
    """What each row of a source says. Raises DataError where a row lacks a score that `scores:` names."""
    if source.passages is not None:
        raise DataError(f"source {source.name!r} holds passages, not questions; it is for base.pretrain.sources alone")
    if source.problems is None and source.synthetic is None:
        read, source = reader_of(source), settled(source)
        yield from (ReadRow(row, parts_of(row, read, source), scores_of(row, source)) for row in rows_of(source))
        return
    for row in generated_rows(source, inputs):
        parts = Parts(row["question"], row["answer"], row["rationale"])
        yield ReadRow(row, parts, scores_of(row, source), row.get("planted"))


def rows_of(source: SourceRecipe) -> Iterator[Row]:
    """The rows of a source. Raises DataError at their end where none has a column that a template names."""
    named = [*columns_of(source.prompt or ""), *columns_of(source.completion or "")]
    known: dict[str, None] = {}
    for row in read_rows(source):
        if named:
            known |= dict.fromkeys(row)
        yield row
    if lacking := next((name for name in named if name not in known), None):
        raise DataError(
            f"source {source.name!r} has no column {lacking!r}{nearest(lacking, known)}, which prompt or completion "
            f"names; its columns are {', '.join(map(str, known))}; mend the template"
        )


def parts_of(row: Row, read: Format, source: SourceRecipe) -> Parts:
    """What the row says, or the fault that it cannot be read."""
    try:
        return read(row, source)
    except Unreadable as error:
        return Parts("", "", fault=error.reason)


def settled(source: SourceRecipe) -> SourceRecipe:
    """The source with open answers where its rows show more than MOST_OPEN of them to be open; it is read for that."""
    if source.answers is not None or not tells_by_row(source):
        return source
    read, answers, found = reader_of(source), 0, 0
    for parts in (parts_of(row, read, source) for row in read_rows(source)):
        answers += bool(parts.answer.strip())
        found += parts.is_open
    return source.model_copy(update={"answers": "open"}) if found > MOST_OPEN * answers else source


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
    if parts.fault is not None:
        return parts.fault
    if not parts.question.strip():
        return "no question"
    if not answer.strip():
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
    return source.is_text


def load_documents(
    source: SourceRecipe, inputs: Mapping[str, Stored], dropped: Counter[str] | None = None
) -> list[tuple[str, str]]:
    """Ids and texts of a source of plain documents, sorted; with `limit_words` a sample of them.

    Rows that cannot be read are entered into `dropped`. Raises DataError where none is left.
    """
    dropped = Counter() if dropped is None else dropped
    documents: Iterable[tuple[str, str]] = read_documents(source, inputs, dropped)
    if source.limit_words is not None:
        documents = sample_to_budget(
            documents, budget=source.limit_words, size=lambda it: len(it[1].split()), identity=lambda it: it[0], seed=0
        )
    found = sorted(documents)
    if not found:
        reasons = ", ".join(f"{count:,} rows with {reason}" for reason, count in dropped.items())
        raise DataError(
            f"source {source.name!r} holds no text{f' ({reasons})' if reasons else ''}; check its path and text_field"
        )
    return found


def read_documents(
    source: SourceRecipe, inputs: Mapping[str, Stored], dropped: Counter[str]
) -> Iterator[tuple[str, str]]:
    """Ids and texts of a source of plain documents, one by one; empty ones are left out, and repeats end in #2, #3."""
    seen: Counter[str] = Counter()
    for text in texts_of(source, inputs, dropped):
        identity = f"{source.name}:{digest(text)}"
        seen[identity] += 1
        yield identity if seen[identity] == 1 else f"{identity}#{seen[identity]}", text


def texts_of(source: SourceRecipe, inputs: Mapping[str, Stored], dropped: Counter[str]) -> Iterator[str]:
    """The documents of a source of plain text, one by one; empty ones are left out, unreadable ones counted."""
    is_generated = source.passages is not None
    for row in generated_rows(source, inputs) if is_generated else read_rows(source):
        try:
            text = row["text"] if is_generated else document_of(row, source)
        except Unreadable as error:
            dropped[error.reason] += 1
            continue
        if text.strip():
            yield text
