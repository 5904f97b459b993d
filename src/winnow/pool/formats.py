"""Formats: what the columns of the usual data sets mean.

A format is one small function from a row to `Parts`. To add one:

    @data_format("my_set")
    def my_set(row: Row, source: SourceRecipe) -> Parts: ...
"""

import ast
import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase

from winnow.errors import RecipeError, nearest
from winnow.pool.conversations import conversation, is_turns, turns_in
from winnow.pool.row_parts import Parts, letter_of, options_in, place_of, text_in
from winnow.pool.sources import Row, column
from winnow.recipe import SourceRecipe
from winnow.recipe.row_templates import columns_of, parse_template
from winnow.text.answers import MARKER
from winnow.text.cells import CHAT_KEYS, SHAREGPT_KEYS, Unreadable, cell_text, turns_of_cell
from winnow.text.examples import ASSISTANT, USER
from winnow.text.open_answers import is_open_text
from winnow.text.questions import split_options

TEXT = "text"
"""The format of plain documents; it has no questions."""
CONVERSATIONS = "conversations"
"""The usual column of format `sharegpt`."""
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


def reader_of(source: SourceRecipe) -> Format:
    """What reads the rows of a source. Raises RecipeError as `find_format`."""
    return by_templates if source.has_templates else find_format(source.format)


def document_of(row: Row, source: SourceRecipe) -> str:
    """The text of a row of format `text`: its column `text_field`. Raises Unreadable where it is no text."""
    return text_in(row, source.text_field, source)


@data_format("gsm8k")
def gsm8k(row: Row, source: SourceRecipe) -> Parts:
    """Grade-school problems whose answer holds the steps, with calculator marks, and the final number.

    {"question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. ...",
     "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\\n... = <<48+24=72>>72 clips altogether ...\\n#### 72"}
    """
    text = re.sub(r"<<[^<>]*>>", "", text_in(row, "answer", source))
    *steps, answer = text.split(MARKER)
    if text.strip() and not steps:
        raise Unreadable(f"no {MARKER} before a final answer")
    return Parts(text_in(row, "question", source), answer, MARKER.join(steps))


@data_format("aqua_rat")
def aqua_rat(row: Row, source: SourceRecipe) -> Parts:
    """Algebra with five options and a written rationale.

    {"question": "Three birds are flying at a fast rate of 900 kilometers per hour. What is their speed in miles ...",
     "options": ["A)32400", "B)6000", "C)600", "D)60000", "E)10"], "rationale": "To calculate the equivalent ...",
     "correct": "A"}
    """
    options = tuple(re.sub(r"^\s*[A-Z]\s*\)\s*", "", text) for text in options_in(row, "options", source))
    answer = text_in(row, "correct", source) if options else ""
    return Parts(text_in(row, "question", source), answer, text_in(row, "rationale", source), options)


@data_format("math_qa")
def math_qa(row: Row, source: SourceRecipe) -> Parts:
    """AQuA problems in tokenised small letters, with the options in one string.

    {"Problem": "if x and y are positive integers and 7 + x + y + xy = 21 , what is the value of x + y ?",
     "Rationale": "\\"try each answer choices . for a : ... therefore , answer c .\\"",
     "options": "a ) 3 , b ) 5 , c ) 6 , d ) 8 , e ) 9", "correct": "c"}
    """
    problem, rationale = (text_in(row, either(row, (name, name.lower())), source) for name in ("Problem", "Rationale"))
    options = math_qa_options(text_in(row, "options", source))
    answer = text_in(row, "correct", source) if options else ""  # a letter says nothing without its options
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
    body, question = (text_in(row, name, source).strip() for name in ("Body", "Question"))
    stop = "" if not body or body[-1] in ".,?!" else ","
    return Parts(f"{body}{stop} {question}", text_in(row, "Answer", source))


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
    question = " ".join(text_in(row, name, source).strip() for name in columns)
    rationale = text_in(row, names.rationale, source) if names.rationale else ""
    answer = text_in(row, names.answer, source)
    if source.answers == "open":
        return Parts(question, answer, rationale, is_open=True)
    if names.options is None:
        question, options = split_options(question)
    else:
        options = options_in(row, names.options, source)
    if options:
        return Parts(question, letter_of(row[names.answer], answer, options), rationale, options)
    is_open = source.answers is None and tells_by_row(source) and is_open_text(answer)
    return Parts(question, answer, rationale, is_open=is_open)


def tells_by_row(source: SourceRecipe) -> bool:
    """Whether the rows of a source say whether their answers are open; where they have none of these, all are final."""
    if source.format == "fields":
        return source.fields is not None and source.fields.rationale is None and source.fields.options is None
    return source.format in ("chat", "sharegpt", "prompt_completion")


def by_templates(row: Row, source: SourceRecipe) -> Parts:
    """Prompt and completion laid out by the source's own templates; a column that a row lacks is empty.

    Where all columns of one of them are empty, so is it. The question, by which rows are compared, is what the prompt
    takes from the row.
    """
    prompt, completion = (_filled(row, template or "") for template in (source.prompt, source.completion))
    question = "\n\n".join(filter(str.strip, (_cell(row, name) for name in columns_of(source.prompt or ""))))
    return Parts(question, completion, is_open=True, prompt=prompt)


def _filled(row: Row, template: str) -> str:
    if not any(_cell(row, name).strip() for name in columns_of(template)):
        return ""
    return "".join(text + ("" if name is None else _cell(row, name)) for text, name in parse_template(template))


def _cell(row: Row, name: str) -> str:
    return cell_text(row.get(name), place_of(name))


@data_format("prompt_completion")
def prompt_completion(row: Row, source: SourceRecipe) -> Parts:
    """A prompt and what shall follow it, to the letter; or the turns of a conversation in two columns.

    {"prompt": "Why is the sky blue?\\n", "completion": "It scatters short waves most."}
    {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Hello!"}]}
    """
    prompt, completion = (column(row, name, source) for name in ("prompt", "completion"))
    if not is_turns(prompt) and not is_turns(completion):
        said = cell_text(prompt, place_of("prompt"))
        return Parts(said, cell_text(completion, place_of("completion")), is_open=True, prompt=said)
    turns = [*turns_in(prompt, "prompt", USER), *turns_in(completion, "completion", ASSISTANT)]
    return conversation(turns, source)


@data_format("alpaca")
def alpaca(row: Row, source: SourceRecipe) -> Parts:
    """Instructions, some with an input, and open answers.

    {"instruction": "Name the capital of this country.", "input": "France", "output": "It is Paris."}
    """
    asked = [text_in(row, "instruction", source), cell_text(row.get("input"), place_of("input"))]
    return Parts("\n\n".join(filter(str.strip, asked)), text_in(row, "output", source), is_open=True)


@data_format("chat")
def chat(row: Row, source: SourceRecipe) -> Parts:
    """Conversations: the question is what the user says, the answer is the assistant's last turn.

    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 3?"},
     {"role": "assistant", "content": "5"}]}
    """
    name = source.messages_field
    return conversation(turns_of_cell(column(row, name, source), place_of(name), CHAT_KEYS), source)


@data_format("sharegpt")
def sharegpt(row: Row, source: SourceRecipe) -> Parts:
    """Conversations under ShareGPT's names.

    {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "What is 2 + 3?"},
     {"from": "gpt", "value": "5"}]}
    """
    name = source.messages_field if source.messages_field in row else CONVERSATIONS
    return conversation(turns_of_cell(column(row, name, source), place_of(name), SHAREGPT_KEYS), source)


def either(row: Row, names: Sequence[str]) -> str:
    """The first of these columns that the row has; the first of all where it has none."""
    return next((name for name in names if name in row), names[0])
