"""Formats: what the columns of the usual data sets mean.

A format is one small function from a row to `Parts`. To add one:

    @data_format("my_set")
    def my_set(row: Row, source: SourceRecipe) -> Parts: ...
"""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from winnow.errors import DataError, RecipeError, nearest
from winnow.pool.sources import Row, column, missing_column
from winnow.recipe import SourceRecipe
from winnow.text.answers import MARKER, answer_of_turn, normalise_answer
from winnow.text.examples import ASSISTANT, USER, Message
from winnow.text.questions import split_options

TEXT = "text"
"""The format of plain documents; it has no questions."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a row says, as it says it; the answer is not normalised."""

    question: str
    answer: str
    rationale: str = ""
    options: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    """The turns of a conversation up to its last answer; an empty text where a message has none."""


Format = Callable[[Row, SourceRecipe], Parts]
FORMATS: dict[str, Format] = {}


def data_format(name: str) -> Callable[[Format], Format]:
    """Register a format under a name that a recipe can use."""

    def register(function: Format) -> Format:
        if name in FORMATS:
            raise ValueError(f"format {name!r} is registered twice")
        FORMATS[name] = function
        return function

    return register


def find_format(name: str) -> Format:
    """The format of this name. Raises RecipeError listing those there are."""
    if name == TEXT:
        raise RecipeError("format 'text' has no questions and answers; it is for base.pretrain.sources alone")
    if name not in FORMATS:
        known = [*FORMATS, TEXT]
        raise RecipeError(f"unknown format {name!r}{nearest(name, known)}; known: {', '.join(known)}")
    return FORMATS[name]


def document_of(row: Row, source: SourceRecipe) -> str:
    """The text of a row of format `text`: its column `text_field`."""
    return as_text(column(row, source.text_field, source))


@data_format("gsm8k")
def gsm8k(row: Row, source: SourceRecipe) -> Parts:
    """Grade-school problems whose answer holds the steps, with calculator marks, and the final number.

    {"question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. ...",
     "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\\n... = <<48+24=72>>72 clips altogether ...\\n#### 72"}
    """
    text = re.sub(r"<<[^<>]*>>", "", as_text(column(row, "answer", source)))
    rationale, _, answer = text.rpartition(MARKER)
    return Parts(as_text(column(row, "question", source)), answer, rationale)


@data_format("aqua_rat")
def aqua_rat(row: Row, source: SourceRecipe) -> Parts:
    """Algebra with five options and a written rationale.

    {"question": "Three birds are flying at a fast rate of 900 kilometers per hour. What is their speed in miles ...",
     "options": ["A)32400", "B)6000", "C)600", "D)60000", "E)10"], "rationale": "To calculate the equivalent ...",
     "correct": "A"}
    """
    options = tuple(re.sub(r"^\s*[A-Z]\s*\)\s*", "", text) for text in as_list(column(row, "options", source), source))
    answer = as_text(column(row, "correct", source)) if options else ""
    rationale = as_text(column(row, "rationale", source))
    return Parts(as_text(column(row, "question", source)), answer, rationale, options)


@data_format("math_qa")
def math_qa(row: Row, source: SourceRecipe) -> Parts:
    """AQuA problems in tokenised small letters, with the options in one string.

    {"Problem": "if x and y are positive integers and 7 + x + y + xy = 21 , what is the value of x + y ?",
     "Rationale": "\\"try each answer choices . for a : ... therefore , answer c .\\"",
     "options": "a ) 3 , b ) 5 , c ) 6 , d ) 8 , e ) 9", "correct": "c"}
    """
    problem, rationale = (as_text(either(row, (name, name.lower()), source)) for name in ("Problem", "Rationale"))
    options = math_qa_options(as_text(column(row, "options", source)))
    answer = as_text(column(row, "correct", source)) if options else ""  # a letter says nothing without its options
    return Parts(problem, answer, rationale.strip('" '), options)


def math_qa_options(text: str) -> tuple[str, ...]:
    """The texts in `a ) 38 , b ) 1 , 512 , c ) ...`, or in the same as a Python list: commas may stand inside them."""
    if text.lstrip().startswith("["):
        try:
            text = " , ".join(ast.literal_eval(text.strip()))
        except (ValueError, SyntaxError, TypeError):
            return ()
    ends, place = [], 0
    for letter in ascii_uppercase:
        label = re.compile(rf"(?:^|,)(?:\s*{letter} ?\))+", re.IGNORECASE).search(text, place)
        if label is None:
            break
        ends.append(label)
        place = label.end()
    stops = [label.start() for label in ends[1:]] + [len(text)]
    return tuple(text[label.end() : stop].strip() for label, stop in zip(ends, stops, strict=False))


@data_format("svamp")
def svamp(row: Row, source: SourceRecipe) -> Parts:
    """Arithmetic stories told in a body and a question, without a rationale.

    {"Body": "Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack",
     "Question": "How much do you have to pay to buy each pack?", "Answer": 51.0}
    """
    body, question = as_text(column(row, "Body", source)).strip(), as_text(column(row, "Question", source)).strip()
    stop = "" if not body or body[-1] in ".,?!" else ","
    return Parts(f"{body}{stop} {question}", as_text(column(row, "Answer", source)))


@data_format("fields")
def by_fields(row: Row, source: SourceRecipe) -> Parts:
    """Any other columns, named by `fields:` in the recipe; options written into the question are found.

    {"question": "The edge of a cube is 7a cm. Find its surface?\\nOptions:\\n(A) 24a8\\n(B) ... (E) 294a2",
     "answer": "(E)", "rationale": "6a2 = 6 * 7a * 7a = 294a2"}
    """
    names = source.fields
    if names is None:
        raise RecipeError(f"source {source.name!r} has format 'fields' but no `fields:`; name its columns there")
    columns = (names.question,) if isinstance(names.question, str) else names.question
    question = " ".join(as_text(column(row, name, source)).strip() for name in columns)
    rationale = as_text(column(row, names.rationale, source)) if names.rationale else ""
    answer = column(row, names.answer, source)
    if names.options is None:
        question, options = split_options(question)
    else:
        options = tuple(as_list(column(row, names.options, source), source))
    return Parts(question, letter_of(answer, options) if options else as_text(answer), rationale, options)


@data_format("chat")
def chat(row: Row, source: SourceRecipe) -> Parts:
    """Conversations: the question is what the user says, the answer is the assistant's last turn.

    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 3?"},
     {"role": "assistant", "content": "5"}]}
    """
    messages = [message_of(each, source) for each in as_messages(column(row, source.messages_field, source), source)]
    last = max((at for at, (role, _) in enumerate(messages) if role == ASSISTANT), default=-1)
    kept = tuple(messages[: last + 1])
    question = "\n".join(text for role, text in kept or messages if role == USER)
    return Parts(question, answer_of_turn(kept[-1][1]) if kept else "", messages=kept)


def as_messages(value: Any, source: SourceRecipe) -> list[Any]:
    """The messages of a row. Raises DataError where they are no list."""
    if not isinstance(value, list):
        raise DataError(
            f"source {source.name!r} has {str(value)[:60]!r} in column {source.messages_field!r}; "
            "format chat needs a list of {role, content} there"
        )
    return value


def message_of(value: Any, source: SourceRecipe) -> Message:
    """Role and text of a message; no text where its content is none. Raises DataError where it has no role."""
    role = value.get("role") if isinstance(value, dict) else None
    if not isinstance(role, str) or "content" not in value:
        raise DataError(
            f"source {source.name!r} has the message {str(value)[:60]}; format chat needs {{role, content}}"
        )
    content = value["content"]
    return role, content if isinstance(content, str) else ""


def letter_of(answer: Any, options: Sequence[str]) -> str:
    """The letter of the right option, which may be given by letter, by its text, or by its position from 0."""
    text = as_text(answer)
    if normalise_answer(text) in ascii_uppercase[: len(options)]:
        return text
    if text in options:
        return ascii_uppercase[options.index(text)]
    if isinstance(answer, int) and 0 <= answer < len(options):
        return ascii_uppercase[answer]
    return text


def either(row: Row, names: Sequence[str], source: SourceRecipe) -> Any:
    """The value of the first of these columns that the row has."""
    found = next((name for name in names if name in row), None)
    if found is None:
        raise missing_column(row, names[0], source)
    return row[found]


def as_text(value: Any) -> str:
    """A value as text: nothing for none, the one value of a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return "" if value is None else str(value)


def as_list(value: Any, source: SourceRecipe) -> list[str]:
    """The options as texts. Raises DataError where they are no list."""
    if not isinstance(value, list):
        raise DataError(f"source {source.name!r} has options {value!r}; they must be a list of texts")
    return [as_text(each) for each in value]
