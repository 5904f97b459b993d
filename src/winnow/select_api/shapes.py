"""Shapes of rows: which columns hold prompt and completion, found by their names.

    {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}     the last answer counts
    {"prompt": ..., "completion": ...}
    {"question": ..., "answer": ...}                                                            as in gsm8k
    {"text": ...}                                                                               no prompt
    {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}         as messages
    {"instruction": ..., "input": ..., "output": ...}                                           with or without an input

Of several shapes that fit, the first in this list is taken; `columns={"prompt": "instruction"}` names other columns. Or
rows are read as a recipe would read them: by a format's name, or by templates with columns in braces. Values that are
no text, such as an image among the parts of a message, make a row no candidate.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydantic import ValidationError

from winnow.errors import DataError, RecipeError, nearest
from winnow.pool.conversations import is_turns, turns_in
from winnow.pool.formats import reader_of
from winnow.pool.loading import ReadRow, example_of, parts_of
from winnow.pool.row_parts import place_of
from winnow.recipe import SourceRecipe
from winnow.recipe.row_templates import columns_of
from winnow.text.answers import MARKER, written_answer
from winnow.text.cells import CHAT_KEYS, SHAREGPT_KEYS, Unreadable, cell_text, turns_of_cell
from winnow.text.chat_templates import timeless
from winnow.text.examples import ASSISTANT, USER, Message, completion_of, prompt_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHAPES = {
    "messages": ("messages",),
    "prompt and completion": ("prompt", "completion"),
    "question and answer": ("question", "answer"),
    "text": ("text",),
    "conversations": ("conversations",),
    "instruction and output": ("instruction", "output"),
}
"""Shape -> the parts of a row that it needs."""
ALPACA = SourceRecipe(name="data", licence="unknown", path="given", format="alpaca")
GIVEN_INPUT = "input"
"""Column that instructions may have besides."""
OTHER_PARTS = ("source", "id")
"""What `columns` may name besides."""


class Said(NamedTuple):
    """What a row says."""

    question: str
    """What it asks, to compare with evaluation data."""
    prompt: str
    completion: str
    fault: str | None = None
    """Why it is of no use."""


@dataclass(frozen=True)
class Shape:
    """How the rows of one data set are read."""

    name: str
    columns: tuple[str, ...]
    """Those that are read, in the order of the shape's parts."""
    tokenizer: "PreTrainedTokenizerBase | None" = None
    """Its chat template lays out messages."""
    source: SourceRecipe | None = None
    """How a recipe would read the rows, where their format or templates were given."""

    def read(self, table: pa.Table) -> Iterator[Said]:
        """What each row says."""
        if self.source is not None:
            return (_as_recipe(self, row, self.source) for row in table.select(list(self.columns)).to_pylist())
        values = (table[name].to_pylist() for name in self.columns)
        return (self._said(row) for row in zip(*values, strict=True))

    def _said(self, row: Sequence[Any]) -> Said:
        try:
            return _READERS[self.name](self, *row)
        except Unreadable as error:
            return _unusable(error.reason)


def find_shape(columns: Sequence[str], named: Mapping[str, str], what: str) -> Shape:
    """The shape of rows with these columns. `named` says part -> column.

    Raises DataError where a part or a column is not there, or no shape fits.
    """
    find_columns(columns, named, what)
    parts = [part for shape in SHAPES.values() for part in shape]
    asked = [part for part in named if part in parts]
    for name, needed in SHAPES.items():
        found = tuple(named.get(part, part) for part in needed)
        if set(asked) <= set(needed) and set(found) <= set(columns):
            more = (GIVEN_INPUT,) if name == "instruction and output" and GIVEN_INPUT in columns else ()
            return Shape(name, (*found, *more))
    wanted = "; ".join(" and ".join(shape) for shape in SHAPES.values())
    raise DataError(
        f"{what} has the columns {', '.join(columns)}; winnow reads {wanted}; "
        'say which is which, as in columns={"prompt": "instruction", "completion": "output"}'
    )


def find_columns(columns: Sequence[str], named: Mapping[str, str], what: str) -> None:
    """Raises DataError where `named` has an unknown part, or a column that is not there."""
    parts = [part for shape in SHAPES.values() for part in shape]
    for part, column in named.items():
        if part not in (*parts, *OTHER_PARTS):
            known = ", ".join([*parts, *OTHER_PARTS])
            raise DataError(f"columns names an unknown part {part!r}{nearest(part, parts)}; known: {known}")
        if column not in columns:
            raise missing(column, columns, what)


def missing(column: str, columns: Sequence[str], what: str) -> DataError:
    """The error for a column that is not there."""
    return DataError(f"{what} has no column {column!r}{nearest(column, columns)}; it has {', '.join(columns)}")


def laid_out_shape(columns: Sequence[str], asked: Mapping[str, str | None], what: str) -> Shape:
    """The shape of rows that are read by a recipe's `format`, or by its `prompt` and `completion`.

    Raises RecipeError where these do not go together or there is no such format, DataError where a template names a
    column that is not there.
    """
    try:
        given = {key: value for key, value in asked.items() if value is not None}
        source = SourceRecipe.model_validate({"name": "data", "licence": "unknown", "path": what} | given)
    except ValidationError as error:
        raise RecipeError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    reader_of(source)
    named = [*columns_of(source.prompt or ""), *columns_of(source.completion or "")]
    for column in named:
        if column not in columns:
            raise missing(column, columns, what)
    return Shape("prompt and completion", tuple(dict.fromkeys(named)) or tuple(columns), source=source)


def _as_recipe(shape: Shape, row: dict[str, Any], source: SourceRecipe) -> Said:
    """As the study of a recipe with this source would train on the row."""
    made = example_of(source, ReadRow(row, parts_of(row, reader_of(source), source), {}))
    if isinstance(made, str):
        return _unusable(made)
    if made.messages:
        return _conversation(shape, made.messages)
    return Said(made.question, made.prompt, made.completion)


def _unusable(fault: str) -> Said:
    return Said("", "", "", fault)


def _pair(shape: Shape, prompt: Any, completion: Any) -> Said:
    """Texts as they are; turns of a chat, which some data sets have in one or both, laid out."""
    ours, theirs = shape.columns
    if is_turns(prompt) or is_turns(completion):
        return _conversation(shape, [*turns_in(prompt, ours, USER), *turns_in(completion, theirs, ASSISTANT)])
    said, answer = cell_text(prompt, place_of(ours)), cell_text(completion, place_of(theirs))
    return Said(said, said, answer, None if answer.strip() else "no completion")


def _question(shape: Shape, question: Any, answer: Any) -> Said:
    """As a study lays out a problem; what follows `####` is the final answer."""
    asked, given = (
        cell_text(value, place_of(name)) for value, name in zip((question, answer), shape.columns, strict=True)
    )
    asked = asked.strip()
    *steps, final = re.sub(r"<<[^<>]*>>", "", given).split(MARKER)
    rationale = MARKER.join(steps).strip()
    completion = completion_of(rationale, written_answer(final), "rationale") if steps else f" {final.strip()}"
    fault = "no question" if not asked else None if final.strip() else "no answer"
    return Said(asked, prompt_of(asked), completion, fault)


def _messages(shape: Shape, messages: Any) -> Said:
    """A chat under the keys of OpenAI's messages or of ShareGPT."""
    first = messages[0] if isinstance(messages, list) and messages else None
    is_sharegpt = isinstance(first, dict) and first.get("from") is not None and first.get("role") is None
    keys = SHAREGPT_KEYS if is_sharegpt else CHAT_KEYS
    return _conversation(shape, turns_of_cell(messages, place_of(shape.columns[0]), keys))


def _conversation(shape: Shape, messages: Sequence[Message]) -> Said:
    """The last answer of a chat is the completion, all before it the prompt; turns after it are left out."""
    turns = [{"role": role, "content": text} for role, text in messages]
    ends = [place for place, turn in enumerate(turns) if turn["role"] == ASSISTANT]
    if not ends or not turns[ends[-1]]["content"].strip():
        return _unusable("no answer of an assistant")
    before, last = turns[: ends[-1]], turns[ends[-1]]
    asked = next((turn["content"] for turn in reversed(before) if turn["role"] == USER), "")
    return Said(asked, *_laid_out(shape.tokenizer, before, last))


def _laid_out(tokenizer: Any, before: list[dict[str, str]], last: dict[str, str]) -> tuple[str, str]:
    """Prompt and completion by the tokenizer's chat template; as plain `role: text` lines where it has none."""
    if tokenizer is None or not tokenizer.chat_template:
        lines = [f"{turn['role']}: {turn['content']}" for turn in before]
        return "\n".join([*lines, "assistant:"]), f" {last['content']}"
    written = partial(
        tokenizer.apply_chat_template, chat_template=timeless(tokenizer.get_chat_template()), tokenize=False
    )
    prompt = written(before, add_generation_prompt=True) if before else ""
    whole = written([*before, last])
    return prompt, whole.removeprefix(prompt) if whole.startswith(prompt) else last["content"]


def _plain(shape: Shape, text: Any) -> Said:
    """A text is a completion without a prompt."""
    said = cell_text(text, place_of(shape.columns[0]))
    return Said(said, "", said, None if said.strip() else "no text")


def _instruction(shape: Shape, instruction: Any, output: Any, given: Any = None) -> Said:
    """As format `alpaca` lays out an instruction; the two columns may have other names."""
    asked, said = shape.columns[:2]
    values = [cell_text(instruction, place_of(asked)), cell_text(given, place_of(GIVEN_INPUT))]
    row = {"instruction": values[0], "input": values[1], "output": cell_text(output, place_of(said))}
    return _as_recipe(shape, row, ALPACA)


_READERS: dict[str, Callable[..., Said]] = {
    "messages": _messages,
    "prompt and completion": _pair,
    "question and answer": _question,
    "text": _plain,
    "conversations": _messages,
    "instruction and output": _instruction,
}
