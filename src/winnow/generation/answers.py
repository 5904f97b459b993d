"""A teacher's answers, kept before anything is made of them: one JSON object a line, never asked for again.

    with open_answers(folder, teacher, prompts) as kept:
        teacher.ask(kept.lacking(requests), kept.tell)
        answers = kept.of(requests)

The file belongs to what an answer depends on: teacher, temperature, seed, prompts. How many examples are wanted, which
are filtered out, and what may be spent is no part of that: another number of examples finds the answers there. A line
that a kill cut short is dropped when the file is opened; all before it holds.
"""

import dataclasses
import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from winnow import files
from winnow.errors import ArtifactError
from winnow.generation.harvest import HALF
from winnow.generation.teachers.interface import Answer, Lost, Request
from winnow.store import hash_json, sealed, unsealed, write_atomic


class KeptAnswers:
    """Answers by their request's key, in memory and in a file."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises ArtifactError where a line in it is none of ours."""
        self.path = path
        self.answers: dict[str, Answer] = {}
        self.lost: list[Lost] = []
        self._lock = threading.Lock()
        for number, line in enumerate(whole_lines(path), start=1):
            self._enter(read_line(line, f"{path}, line {number},"))

    def lacking(self, requests: Iterable[Request]) -> list[Request]:
        """Those of the requests that have no answer yet."""
        return [request for request in requests if request.key not in self.answers]

    def tell(self, event: Answer | Lost) -> None:
        """Keep an answer before it counts; any thread may call it. One that was paid for survives a power cut, too."""
        kind = "answer" if isinstance(event, Answer) else "lost"
        line = json_line(sealed({"event": kind} | dataclasses.asdict(event)))
        with self._lock:
            if not (isinstance(event, Answer) and event.is_given_up):
                self._append(line + "\n")
            if isinstance(event, Lost) or event.dollars:
                files.sync(self.path)
            self._enter(event)

    def _append(self, line: str) -> None:
        """Add a line whole or not at all: where the disk is full, another thread's line must not follow half of one."""
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            files.append(self.path, line)
        except OSError:
            with suppress(OSError):
                os.truncate(self.path, size)
            raise

    def of(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to these requests, in their order."""
        return [self.answers[request.key] for request in requests]

    def _enter(self, event: Answer | Lost) -> None:
        if isinstance(event, Answer):
            self.answers[event.key] = event
        else:
            self.lost.append(event)


def json_line(fields: dict[str, Any]) -> str:
    """The fields as one line of JSON; half a character, which UTF-8 has no place for, is written as an escape."""
    line = json.dumps(fields, ensure_ascii=False)
    return line if HALF.search(line) is None else json.dumps(fields)


@contextmanager
def open_answers(folder: Path, asked: Any) -> Iterator[KeptAnswers]:
    """The answers that belong to `asked`, a JSON value; one process at a time, others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hash_json(asked)[:24]
    with FileLock(folder / f"{name}.lock"):
        yield KeptAnswers(folder / f"{name}.jsonl")


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that is appended to; a last one without its end is cut off the file."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        write_atomic(path, whole)
    return whole.decode(errors="surrogateescape").split("\n")[:-1]


def read_line(line: str, place: str) -> Answer | Lost:
    """The event in a line, its seal compared. Raises ArtifactError naming the place where there is none."""
    try:
        line.encode()  # raises ValueError for what was no UTF-8
        fields = unsealed(json.loads(line))
        kind = {"answer": Answer, "lost": Lost}[fields.pop("event")]
        return kind(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            f"{place} is damaged, or no kept answer; remove the line, or the file to ask again"
        ) from error
