"""Calls to a tracker, on a thread of their own: training never waits for a server, nor ends with it."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from winnow.errors import one_line

PATIENCE_SECONDS = 30.0
"""How long a finished run waits for a tracker's answer."""
LEAVING_SECONDS = 2.0
"""The same where the run was stopped: the tracker gets the rest when the run goes on."""
TICK_SECONDS = 0.02


class Courier:
    """Does what it is asked, one thing after another; after the first failure it does nothing more."""

    def __init__(self, tracker: str) -> None:
        self.tracker = tracker
        self.failure: str | None = None
        """Why it does nothing more, in one line."""
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._begun_at: float | None = None
        # A daemon, so that a server that never answers does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"to {tracker}", daemon=True)
        self._thread.start()

    def ask(self, work: Callable[[], None]) -> None:
        """Do this when everything asked before is done."""
        self._asked.put(work)

    def end(self, *, is_leaving: bool = False) -> None:
        """Wait until all is done; give up where one thing takes too long."""
        patience_seconds = LEAVING_SECONDS if is_leaving else PATIENCE_SECONDS
        self._asked.put(None)
        while self._thread.is_alive() and self.failure is None:
            begun_at = self._begun_at
            if begun_at is not None and time.monotonic() - begun_at > patience_seconds:
                self.failure = f"no answer within {patience_seconds:g} s"
            self._thread.join(TICK_SECONDS)

    def _work(self) -> None:
        while (work := self._asked.get()) is not None:
            if self.failure is not None:
                continue
            self._begun_at = time.monotonic()
            try:
                work()
            except Exception as error:
                self.failure = f"{type(error).__name__}: {one_line(str(error))[:200]}"
            self._begun_at = None
