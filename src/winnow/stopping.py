"""A polite request to stop (SIGTERM): training goes on to the end of its step, saves, and leaves.

Everything else leaves at once, since whatever is half made never becomes visible.
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


@contextmanager
def deferred() -> Iterator[None]:
    """Inside the block a request is only noted; whoever opened it looks at `asked` and raises Stopped."""
    _Request.deferred += 1
    try:
        yield
    finally:
        _Request.deferred -= 1


def _on_signal(number: int, frame: object) -> None:
    _Request.asked = True
    if not _Request.deferred:
        raise Stopped
