"""The uniform example: one row to train or test on, its prompt and completion, its identity, its file.

    example = build_example("gsm8k", "How many?", rationale="2 + 3 = 5", answer="5")
    examples = number_repeats([example, ...])          # sorted, ids unique
    write_table(to_table(examples), folder / "train.parquet")

Ids come from the content alone, so that the same rows have the same ids in every study.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.text.answers import MARKER
from winnow.text.questions import near_key

CompletionKind = Literal["rationale", "answer"]

EXAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
        ("rationale", pa.string()),
        ("answer", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("group", pa.string()),
        ("planted", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float64())),
    ]
)
TOKEN_FIELDS = (("prompt_ids", pa.list_(pa.int32())), ("completion_ids", pa.list_(pa.int32())))
POOL_SCHEMA = pa.schema([*EXAMPLE_SCHEMA, *TOKEN_FIELDS])
"""Examples with their tokens, as in `train.parquet`."""
MESSAGES = pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
"""A column more, where some examples are conversations; null where one is not."""
IS_OPEN = pa.field("is_open", pa.bool_())
"""A column more, where some answers are open text."""
IS_TARGET = pa.field("is_target", pa.list_(pa.bool_()))
"""Beside the tokens of conversations: which of prompt and completion together are targets."""
QUESTION_COPIES = pa.field("question_copies", pa.int32())
"""Beside the examples of a pool with `hygiene`: how many rows of its sources ask the same question."""

Message = tuple[str, str]
"""Role and text of a turn."""
USER, ASSISTANT = "user", "assistant"


@dataclass(frozen=True, slots=True)
class Example:
    """One row to train or test on."""

    id: str
    """Source and content, such as gsm8k:0123456789abcdef; repeats end in #2, #3."""
    source: str
    question: str
    options: tuple[str, ...]
    """Texts of the options, without their letters; empty where the question is not multiple choice."""
    rationale: str
    """The worked answer; may be empty."""
    answer: str
    """The final answer in the spelling of `normalise_answer`; a letter where there are options. Open text as it is."""
    prompt: str
    completion: str
    group: str
    """Near-equal questions have the same."""
    planted: str | None = None
    """The fault that was put in on purpose, by the built-in generator or `pool.plant`: near_copy, copy, wrong_answer,
    off_topic."""
    scores: tuple[tuple[str, float], ...] = ()
    """Names and values of the numbers that the data bring with them, sorted by name; no part of the identity."""
    messages: tuple[Message, ...] = ()
    """The turns of a conversation, the assistant's last; empty where the example is none."""
    is_open: bool = False
    """The answer is open text: loss measures it, exact match is not asked of it."""


def build_example(
    source: str,
    question: str,
    *,
    answer: str,
    rationale: str = "",
    options: Sequence[str] = (),
    completion: CompletionKind = "rationale",
    planted: str | None = None,
    scores: Mapping[str, float] | None = None,
    messages: tuple[Message, ...] = (),
    is_open: bool = False,
    prompt: str | None = None,
    written: str | None = None,
) -> Example:
    """The example of these contents, with its id, prompt, completion and group; the answer is normalised already.

    `written` is the answer as the completion has it, if not so.

    An open answer is the completion as it stands, and so is a `prompt` that is given: nothing is put around either.
    Prompt and completion of a conversation are a transcript, for what reads text; a model reads it by a chat template.
    """
    question, rationale, options = question.strip(), rationale.strip(), tuple(options)
    asked = question if prompt is None else prompt
    identity = chat_id(source, messages) if messages else example_id(source, asked, answer, rationale, options)
    if messages:
        prompt, said = transcript(messages)
    elif prompt is not None:
        said = answer
    else:
        prompt = prompt_of(question, options)
        said = (
            open_completion(rationale, answer) if is_open else completion_of(rationale, written or answer, completion)
        )
    return Example(
        id=identity,
        source=source,
        question=question,
        options=options,
        rationale=rationale,
        answer=answer,
        prompt=prompt,
        completion=said,
        group=digest(near_key(question) or identity),
        planted=planted,
        scores=tuple(sorted((scores or {}).items())),
        messages=messages,
        is_open=is_open,
    )


def prompt_of(question: str, options: Sequence[str] = ()) -> str:
    """What the model is given; ends in `Answer:` without a space."""
    listed = " ".join(f"{letter}) {text}" for letter, text in zip(ascii_uppercase, options, strict=False))
    return f"Question: {question}\n" + (f"Options: {listed}\n" if listed else "") + "Answer:"


def completion_of(rationale: str, answer: str, kind: CompletionKind) -> str:
    """What the model shall say: the worked answer and the final one, or the final one alone; begins with a space."""
    final = f"{MARKER} {answer}"
    return f" {rationale}\n{final}" if kind == "rationale" and rationale else f" {final}"


def open_completion(rationale: str, answer: str) -> str:
    """Open text as it stands, below its worked answer if there is one; begins with a space where it has none."""
    said = f"{rationale}\n{answer}" if rationale else answer
    return said if said[:1].isspace() else f" {said}"


def transcript(messages: Sequence[Message]) -> tuple[str, str]:
    """The conversation as plain text: up to its last turn, and the last turn, which begins with a space."""
    *before, (role, last) = messages
    return "".join(f"{role}: {text}\n" for role, text in before) + f"{role}:", f" {last}"


def chat_id(source: str, messages: Sequence[Message]) -> str:
    """The same for the same turns, on every machine."""
    return f"{source}:{digest(json.dumps([list(message) for message in messages]))}"


def example_id(source: str, question: str, answer: str, rationale: str, options: Sequence[str]) -> str:
    """The same for the same contents, on every machine."""
    return f"{source}:{digest(json.dumps([question, answer, rationale, list(options)]))}"


def digest(text: str) -> str:
    """16 hexadecimal digits of the text's sha256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def number_repeats(examples: Iterable[Example]) -> list[Example]:
    """The examples sorted by id, exact repeats told apart by #2, #3; the same for every order of the rows."""
    seen: Counter[str] = Counter()
    numbered = []
    for example in sorted(examples, key=lambda each: (each.id, each.planted or "", each.scores)):
        seen[example.id] += 1
        times = seen[example.id]
        numbered.append(example if times == 1 else replace(example, id=f"{example.id}#{times}"))
    return sorted(numbered, key=lambda each: each.id)


def to_table(examples: Iterable[Example]) -> pa.Table:
    """The examples as a table of EXAMPLE_SCHEMA; with MESSAGES and IS_OPEN where some of them have such."""
    rows = list(examples)
    columns = {name: [getattr(row, name) for row in rows] for name in EXAMPLE_SCHEMA.names}
    table = pa.table(columns, schema=EXAMPLE_SCHEMA)
    if any(row.is_open for row in rows):
        table = table.append_column(IS_OPEN, pa.array([row.is_open for row in rows]))
    if not any(row.messages for row in rows):
        return table
    turns = [[{"role": role, "content": text} for role, text in row.messages] or None for row in rows]
    return table.append_column(MESSAGES, pa.array(turns, MESSAGES.type))


def from_table(table: pa.Table) -> list[Example]:
    """The examples in a table; columns beyond those of `to_table` are left out."""
    rows = table.select(EXAMPLE_SCHEMA.names).to_pylist()
    chats = table[MESSAGES.name].to_pylist() if MESSAGES.name in table.column_names else [None] * len(rows)
    lists = ("options", "scores")
    return [
        Example(**row | {name: tuple(row[name]) for name in lists}, messages=turns_of(turns), is_open=is_open)
        for row, turns, is_open in zip(rows, chats, open_flags(table), strict=True)
    ]


def open_flags(table: pa.Table) -> list[bool]:
    """Which rows of a table of examples have open answers."""
    return table[IS_OPEN.name].to_pylist() if IS_OPEN.name in table.column_names else [False] * len(table)


def turns_of(messages: Iterable[Mapping[str, str]] | None) -> tuple[Message, ...]:
    """The turns in a value of the column MESSAGES; none where it is null."""
    return tuple((message["role"], message["content"]) for message in messages or ())


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file, zstd; the same table gives the same bytes."""
    pq.write_table(table, path, compression="zstd")


def read_examples(path: Path) -> list[Example]:
    """The examples in a Parquet file."""
    return from_table(pq.read_table(path))
