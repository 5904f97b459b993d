"""What a teacher may still spend: reserved before a request goes out, settled when its answer is there."""

import threading
from collections.abc import Iterable

from winnow.errors import BudgetError
from winnow.generation.teachers.interface import Answer, Lost

MILLION = 1_000_000


def price(
    prompt_tokens: float, completion_tokens: float, *, per_million_prompt: float, per_million_completion: float
) -> float:
    """Dollars for so many tokens, at dollars per million."""
    return (prompt_tokens * per_million_prompt + completion_tokens * per_million_completion) / MILLION


class Meter:
    """Dollars and tokens, spent and reserved, against their limits; safe to use from several threads."""

    def __init__(
        self, events: Iterable[Answer | Lost] = (), *, max_dollars: float | None, max_tokens: int | None
    ) -> None:
        """Begins with what earlier answers cost, lost ones at the most that they can have cost."""
        self.max_dollars, self.max_tokens = max_dollars, max_tokens
        self.dollars = self.reserved = 0.0
        self.tokens = self.under_way = 0
        self._settled = threading.Condition()
        for event in events:
            self._spend(event)

    def reserve(self, dollars: float) -> None:
        """Set aside what a request can cost at most; waits for others to be settled where that may make room.

        Raises BudgetError where the request could break a limit.
        """
        with self._settled:
            while self.under_way and not self._has_room(dollars):
                self._settled.wait()
            if self.max_tokens is not None and self.tokens >= self.max_tokens:
                raise BudgetError(f"the teacher has used {self.tokens:,} of max_teacher_tokens {self.max_tokens:,}")
            if not self._has_room(dollars):
                raise BudgetError(
                    f"the next request can cost {dollars:.4f} dollars, and {self.dollars:.4f} of max_dollars "
                    f"{self.max_dollars:g} are spent"
                )
            self.reserved += dollars
            self.under_way += 1

    def settle(self, reserved: float, event: Answer | Lost | None) -> None:
        """Put what came of a request in the place of what was set aside for it; nothing came of it where None."""
        with self._settled:
            self.under_way -= 1
            self.reserved = self.reserved - reserved if self.under_way else 0.0
            self._spend(event)
            self._settled.notify_all()

    def _has_room(self, dollars: float) -> bool:
        return self.max_dollars is None or self.dollars + self.reserved + dollars <= self.max_dollars + 1e-12

    def _spend(self, event: Answer | Lost | None) -> None:
        if isinstance(event, Answer):
            self.dollars += event.dollars
            self.tokens += event.prompt_tokens + event.completion_tokens
        elif event is not None:
            self.dollars += event.max_dollars
