"""A polite request to stop (SIGTERM): training goes on to the end of its step, saves, and leaves.

Everything else leaves at once, since whatever is half made never becomes visible. A request that came while it was
only noted counts at the next call of `heed`: before an evaluation, and between two stages.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: nothing is wrong, run the same command again."""


class Stopped(BaseException):
    """Somebody asked the process to stop. No Exception, so that nothing on the way takes it for an error."""


class _Request:
    asked = False
    deferred = 0


def listen() -> None:
    """From now on SIGTERM is such a request."""
    signal.signal(signal.SIGTERM, _on_signal)


def asked() -> bool:
    """Whether the process was asked to stop."""
    return _Request.asked


def heed() -> None:
    """Raises Stopped where the process was asked to stop."""
    if _Request.asked:
        raise Stopped


@contextmanager
def at_once() -> Iterator[None]:
    """Inside the block, which may stand in a deferred one, a request stops what is being done."""
    heed()
    held, _Request.deferred = _Request.deferred, 0
    try:
        yield
    finally:
        _Request.deferred = held


@contextmanager
def deferred() -> Iterator[None]:
    """Inside the block a request is only noted; whoever opened it looks at `asked`, or calls `heed`."""
    _Request.deferred += 1
    try:
        yield
    finally:
        _Request.deferred -= 1


def _on_signal(number: int, frame: object) -> None:
    _Request.asked = True
    if not _Request.deferred:
        raise Stopped
