"""What the rows of a file are, guessed from the first of them: its format, or which columns are prompt and completion.

    guess = guess_source(Path("dolly.jsonl"))
    guess.settings            # {"prompt": "{instruction}\n\n{context}\n\n", "completion": "{response}"}
    guess.read                # what was looked at, for a comment

A guess is tried before it is made: nine tenths of the first rows have to give an example.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from winnow.errors import DataError, WinnowError
from winnow.pool.file_types import read_file
from winnow.pool.formats import TEXT, reader_of
from winnow.pool.loading import ReadRow, example_of, parts_of
from winnow.pool.sources import Row
from winnow.recipe import SourceRecipe
from winnow.text.examples import Example

ROWS = 50
"""So many rows are looked at."""
USABLE = 0.9
"""Share of them that a format has to read."""
FORMATS: Mapping[str, tuple[str, ...]] = {
    "gsm8k": ("question", "answer"),
    "aqua_rat": ("question", "options", "rationale", "correct"),
    "math_qa": ("Problem", "Rationale", "options", "correct"),
    "svamp": ("Body", "Question", "Answer"),
    "chat": ("messages",),
    "sharegpt": ("conversations",),
    "prompt_completion": ("prompt", "completion"),
    "alpaca": ("instruction", "output"),
}
"""Format -> the columns that it cannot do without, the most telling first."""
FIELDS: tuple[Mapping[str, Any], ...] = (
    {"question": "problem", "rationale": "solution", "answer": "answer"},
    {"question": "question", "rationale": "rationale", "answer": "answer"},
    {"question": "question", "rationale": "solution", "answer": "answer"},
    {"question": "question", "options": "choices", "answer": "answer"},
    {"question": "question", "options": "choices", "answer": "gold"},
    {"question": "question", "options": "options", "answer": "answer"},
    {"question": ["passage", "question"], "answer": "answer"},
    {"question": ["context", "question"], "answer": "answer"},
    {"question": "question", "answer": "answer"},
)
"""Usual columns of questions with a final answer, and what else they have; those that take most in first."""
ASKED = "instruction", "prompt", "question", "query", "problem", "user", "input", "article", "document"
GIVEN = "context", "input", "passage"
SAID = "response", "completion", "output", "answer", "solution", "assistant", "summary", "highlights", "target"
"""Usual columns of what a model is asked, of what it is given with that, and of what it shall say."""


@dataclass(frozen=True)
class Guess:
    """How a file's rows are read."""

    settings: Mapping[str, Any]
    """Keys of a source beside its name, path and licence."""
    columns: tuple[str, ...]
    """What its first row has."""
    is_open: bool
    """Its answers are open text, which loss alone measures."""
    characters: tuple[int, ...]
    """Of prompt and completion, of the first rows."""

    def source(self, name: str, path: str, licence: str = "unknown") -> SourceRecipe:
        """The source that the guess makes of a file."""
        return SourceRecipe(name=name, path=path, licence=licence, **self.settings)


def guess_source(path: Path) -> Guess:
    """The first reading that fits the first rows. Raises DataError, with the columns there are, where none does."""
    rows = list(islice(read_file(path), ROWS))
    if not rows:
        raise DataError(f"{path} has no rows; give a file with data")
    for settings in readings(rows):
        examples = _examples(rows, settings, path)
        if len(examples) >= USABLE * len(rows):
            characters = tuple(len(each.prompt) + len(each.completion) for each in examples)
            is_open = all(each.is_open for each in examples)
            return Guess(settings, tuple(map(str, rows[0])), is_open, characters)
    raise _unknown(path, rows)


def readings(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """All readings whose columns are there, the most particular first."""
    known = {str(name) for row in rows for name in row}
    for name, needed in FORMATS.items():
        if known.issuperset(needed):
            yield {"format": name}
    for fields in FIELDS:
        if known.issuperset(name for each in fields.values() for name in ([each] if isinstance(each, str) else each)):
            yield {"fields": dict(fields)}
    if templates := _templates(known):
        yield templates


def _templates(known: set[str]) -> dict[str, str] | None:
    """A prompt of what is asked and what is given with it, and the completion; column names in any case."""
    by_word = {name.lower(): name for name in sorted(known)}
    asked = next((by_word[word] for word in ASKED if word in by_word), None)
    said = next((by_word[word] for word in SAID if word in by_word and by_word[word] != asked), None)
    if asked is None or said is None:
        return None
    given = next((by_word[word] for word in GIVEN if word in by_word and by_word[word] not in (asked, said)), None)
    parts = [asked, *([given] if given else [])]
    return {"prompt": "".join(f"{{{name}}}\n\n" for name in parts), "completion": f"{{{said}}}"}


def _examples(rows: Sequence[Row], settings: Mapping[str, Any], path: Path) -> list[Example]:
    """What the rows give when they are read so; none where such a reading is impossible."""
    try:
        source = SourceRecipe(name="guessed", path=str(path), licence="unknown", **settings)
        read = reader_of(source)
        found = [example_of(source, ReadRow(row, parts_of(row, read, source), {})) for row in rows]
    except (WinnowError, ValidationError):
        return []
    return [each for each in found if isinstance(each, Example)]


def _unknown(path: Path, rows: Sequence[Row]) -> DataError:
    columns = ", ".join(map(str, rows[0]))
    if TEXT in rows[0]:
        return DataError(
            f"{path} has the columns {columns}: plain documents, which have no prompt and completion to select among; "
            "use them as base.pretrain.sources, or cut them into prompt and completion"
        )
    return DataError(
        f"{path} has the columns {columns}, which are of no known format; name prompt and completion in a recipe, as "
        f'prompt: "{{{next(iter(rows[0]), "asked")}}}\\n", completion: "{{...}}" (docs/recipe.md, SourceRecipe)'
    )
