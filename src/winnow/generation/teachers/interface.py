"""What every teacher takes and gives: requests in, answers out, in any order, each told as soon as it is there.

    teacher.ask(requests, tell)

A teacher is one file: a class with this one method, and its recipe. `tell` keeps an answer before anything is made of
it, so that whatever stops the teacher later, what was answered and paid for is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from winnow.generation.prompts import Kind
from winnow.store import hash_json


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for a teacher."""

    id: str
    """Such as 12; a request on the third question of its answer is 12/2, and the second of several such 12/2/1."""
    kind: Kind
    prompt: str
    question: str
    """What the prompt is about."""
    seed_id: str
    """Which seed question it goes back to."""
    count: int
    """Problems asked for."""
    temperature: float
    seed: int
    """Of the teacher's sampling, where it takes one; another one for every request."""

    @property
    def key(self) -> str:
        """The same for the same words in the same place."""
        return hash_json([self.id, self.prompt])[:24]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, raw, and what it cost."""

    key: str
    """Of its request."""
    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0
    """From sending to having the whole answer, failed attempts included; requests under way together overlap."""
    finish_reason: str = ""
    """Why the teacher stopped, in its own word: `stop`, `length` ..."""
    attempts: int = 1
    is_estimated: bool = False
    """The teacher did not tell its tokens: they are four characters each."""
    is_given_up: bool = False
    """The teacher answers others, and this request with nothing that can be read; asked again in another run."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt whose answer never came whole; the teacher may have charged for it."""

    key: str
    reason: str
    max_dollars: float
    """What it can have cost at most."""
    is_broken: bool = False
    """An answer came, and could not be read."""


Tell = Callable[[Answer | Lost], None]


class Teacher(Protocol):
    """Whoever answers prompts."""

    def ask(self, requests: Sequence[Request], tell: Tell) -> None:
        """Answer all requests, telling each answer at once; may raise after some. Raises TeacherError, BudgetError."""
