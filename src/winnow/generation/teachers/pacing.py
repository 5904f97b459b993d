"""When the next request to an endpoint may go out: evenly, later after a failure, not before it has had its rest."""

import random
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
LONGEST_REST_SECONDS = 3600.0


class Pace:
    """When the next request may go out: evenly at so many a minute, and not before an endpoint has had its rest."""

    def __init__(
        self,
        requests_per_minute: float | None,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap = 60 / requests_per_minute if requests_per_minute else 0.0
        self._sleep, self._clock = sleep, clock
        self._next = -float("inf")
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until it is this request's turn."""
        with self._lock:
            turn = max(self._clock(), self._next)
            self._next = turn + self._gap
        if turn > self._clock():
            self._sleep(turn - self._clock())

    def hold(self, seconds: float) -> None:
        """Let no request go out for so long; those that wait already go at their turn."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def wait_seconds(attempt: int) -> float:
    """How long to wait after so many failed attempts: doubled each time, and a random half of it left out."""
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def rest_seconds(told: str) -> float:
    """The seconds that `Retry-After` asks to wait, a number or a date, an hour at most; 0 where it is neither."""
    told = told.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", told):
        return min(float(told), LONGEST_REST_SECONDS)
    try:
        rest = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, rest), LONGEST_REST_SECONDS)
