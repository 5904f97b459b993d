"""A polite request to stop: it waits where it was put off, and no longer."""

import signal

import pytest

from winnow import stopping
from winnow.stopping import Stopped, asked, at_once, deferred, heed


@pytest.fixture(autouse=True)
def _nobody_asked(monkeypatch):
    monkeypatch.setattr(stopping._Request, "asked", False)
    monkeypatch.setattr(stopping._Request, "deferred", 0)
    before = signal.getsignal(signal.SIGTERM)
    stopping.listen()
    yield
    signal.signal(signal.SIGTERM, before)


def ask():
    signal.raise_signal(signal.SIGTERM)


def test_a_request_stops_at_once_and_is_no_exception():
    heed()
    with pytest.raises(Stopped):
        ask()
    assert asked() and not issubclass(Stopped, Exception)
    with pytest.raises(Stopped):
        heed()


def test_a_deferred_request_is_only_noted_until_somebody_heeds_it():
    with deferred():
        ask()
        assert asked()
        with pytest.raises(Stopped):
            heed()
    with pytest.raises(Stopped):
        heed()


def test_blocks_within_each_other_count():
    with deferred():
        with deferred():
            pass
        ask()
    assert asked() and stopping._Request.deferred == 0


def test_inside_a_deferred_block_something_may_be_stopped_at_once():
    with deferred():
        with pytest.raises(Stopped), at_once():
            ask()
        assert stopping._Request.deferred == 1, "the block around it is deferred again"
        ask()


def test_what_is_stopped_at_once_does_not_begin_after_a_request():
    begun = []
    with deferred():
        ask()
        with pytest.raises(Stopped), at_once():
            begun.append(True)
    assert not begun


@pytest.mark.parametrize("block", [deferred, at_once])
def test_an_error_inside_leaves_the_count_as_it_was(block):
    with deferred():
        with pytest.raises(KeyError), block():
            raise KeyError
        assert stopping._Request.deferred == 1
