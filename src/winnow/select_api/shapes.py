"""Shapes of rows: which columns hold prompt and completion, found by their names.

    {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}     the last answer counts
    {"prompt": ..., "completion": ...}
    {"question": ..., "answer": ...}                                                            as in gsm8k
    {"text": ...}                                                                               no prompt

Of several shapes that fit, the first in this list is taken; `columns={"prompt": "instruction"}` names other columns.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from winnow.errors import DataError, nearest
from winnow.text.answers import MARKER, normalise_answer
from winnow.text.examples import completion_of, prompt_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHAPES = {
    "messages": ("messages",),
    "prompt and completion": ("prompt", "completion"),
    "question and answer": ("question", "answer"),
    "text": ("text",),
}
"""Shape -> the parts of a row that it needs."""
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

    def read(self, table: pa.Table) -> Iterator[Said]:
        """What each row says."""
        values = (table[name].to_pylist() for name in self.columns)
        reader = _READERS[self.name]
        return (reader(self, *row) for row in zip(*values, strict=True))


def find_shape(columns: Sequence[str], named: Mapping[str, str], what: str) -> Shape:
    """The shape of rows with these columns. `named` says part -> column.

    Raises DataError where a part or a column is not there, or no shape fits.
    """
    parts = [part for shape in SHAPES.values() for part in shape]
    for part, column in named.items():
        if part not in (*parts, *OTHER_PARTS):
            known = ", ".join([*parts, *OTHER_PARTS])
            raise DataError(f"columns names an unknown part {part!r}{nearest(part, parts)}; known: {known}")
        if column not in columns:
            raise missing(column, columns, what)
    asked = [part for part in named if part in parts]
    for name, needed in SHAPES.items():
        found = tuple(named.get(part, part) for part in needed)
        if set(asked) <= set(needed) and set(found) <= set(columns):
            return Shape(name, found)
    wanted = "; ".join(" and ".join(shape) for shape in SHAPES.values())
    raise DataError(
        f"{what} has the columns {', '.join(columns)}; winnow reads {wanted}; "
        'say which is which, as in columns={"prompt": "instruction", "completion": "output"}'
    )


def missing(column: str, columns: Sequence[str], what: str) -> DataError:
    """The error for a column that is not there."""
    return DataError(f"{what} has no column {column!r}{nearest(column, columns)}; it has {', '.join(columns)}")


def _pair(shape: Shape, prompt: Any, completion: Any) -> Said:
    """Texts as they are; turns of a chat, which some data sets have here, laid out."""
    if isinstance(prompt, list) and isinstance(completion, list):
        return _messages(shape, prompt + completion)
    said, answer = _text(prompt), _text(completion)
    return Said(said, said, answer, None if answer.strip() else "no completion")


def _question(shape: Shape, question: Any, answer: Any) -> Said:
    """As a study lays out a problem; what follows `####` is the final answer."""
    asked = _text(question).strip()
    steps, marker, final = re.sub(r"<<[^<>]*>>", "", _text(answer)).rpartition(MARKER)
    completion = completion_of(steps.strip(), normalise_answer(final), "rationale") if marker else f" {final.strip()}"
    fault = "no question" if not asked else None if final.strip() else "no answer"
    return Said(asked, prompt_of(asked), completion, fault)


def _messages(shape: Shape, messages: Any) -> Said:
    """The last answer of a chat is the completion, all before it the prompt; turns after it are left out."""
    turns = [{"role": str(turn["role"]), "content": _text(turn["content"])} for turn in messages or ()]
    ends = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not ends or not turns[ends[-1]]["content"].strip():
        return Said("", "", "", "no answer of an assistant")
    before, last = turns[: ends[-1]], turns[ends[-1]]
    asked = next((turn["content"] for turn in reversed(before) if turn["role"] == "user"), "")
    return Said(asked, *_laid_out(shape.tokenizer, before, last))


def _laid_out(tokenizer: Any, before: list[dict[str, str]], last: dict[str, str]) -> tuple[str, str]:
    """Prompt and completion by the tokenizer's chat template; as plain `role: text` lines where it has none."""
    if tokenizer is None or not tokenizer.chat_template:
        lines = [f"{turn['role']}: {turn['content']}" for turn in before]
        return "\n".join([*lines, "assistant:"]), f" {last['content']}"
    prompt = tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True) if before else ""
    whole = tokenizer.apply_chat_template([*before, last], tokenize=False)
    return prompt, whole.removeprefix(prompt) if whole.startswith(prompt) else last["content"]


def _plain(shape: Shape, text: Any) -> Said:
    """A text is a completion without a prompt."""
    said = _text(text)
    return Said(said, "", said, None if said.strip() else "no text")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


_READERS: dict[str, Callable[..., Said]] = {
    "messages": _messages,
    "prompt and completion": _pair,
    "question and answer": _question,
    "text": _plain,
}
