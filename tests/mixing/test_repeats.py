"""Epochs, and what repeated text is worth; golden test M7."""

import math

import pytest

from winnow.mixing.repeats import DECAY, effective_tokens, uses_of, warnings
from winnow.mixing.schedule import Knot, Schedule
from winnow.mixing.sources import SourceTokens

SOURCES = [SourceTokens("books", 2_000, 1, 1), SourceTokens("web", 100_000, 1, 1), SourceTokens("notes", 500, 1, 1)]


def test_m7_repeats_are_worth_less_and_less():
    assert effective_tokens(1, 4) == pytest.approx(3.73, abs=0.005)
    assert effective_tokens(1, 16) == pytest.approx(10.58, abs=0.005)
    assert effective_tokens(1, 1e6) == pytest.approx(1 + DECAY) == pytest.approx(16.39)
    assert [effective_tokens(200, epochs) for epochs in (0, 0.5, 1)] == [0, 100, 200]


def test_each_further_reading_is_worth_a_fixed_part_of_the_one_before():
    gains = [effective_tokens(1, epochs + 1) - effective_tokens(1, epochs) for epochs in range(1, 9)]
    ratios = [later / earlier for earlier, later in zip(gains, gains[1:], strict=False)]
    assert ratios == pytest.approx([math.exp(-1 / DECAY)] * 7)


def test_a_run_tells_tokens_epochs_and_where_a_source_becomes_stale():
    shares = {"books": 0.5, "web": 0.4, "notes": 0.1}
    books, web, notes = uses_of(Schedule.constant(shares), SOURCES, tokens=40_000)
    assert (books.tokens, books.epochs, books.share) == pytest.approx((20_000, 10, 0.5))
    assert books.many_from == pytest.approx(8_000 / 20_000, abs=0.002)
    assert (web.epochs, web.effective_tokens, web.many_from) == (pytest.approx(0.16), pytest.approx(16_000), None)
    assert notes.epochs == pytest.approx(8)


def test_of_a_schedule_the_last_knots_count_alone_where_they_alone_read_a_source():
    schedule = Schedule((Knot(0, {"web": 1.0}), Knot(0.8, {"books": 1.0})), "step")
    books, web, _ = uses_of(schedule, SOURCES, tokens=100_000)
    assert (books.tokens, web.tokens) == (20_000, 80_000)
    assert books.many_from == pytest.approx(0.88, abs=0.002)


def test_above_four_and_sixteen_readings_there_are_warnings():
    def told(tokens):
        return warnings(uses_of(Schedule.constant({"books": 1.0}), SOURCES, tokens=tokens))

    assert told(8_000) == []
    (some,), (strong,) = told(10_000), told(40_000)
    assert some.startswith("source books is read 5.0 times, more than 4 from 80% of the run: its 10,000")
    assert "about 9,0" in some and "hardly" not in some
    assert "20.0 times" in strong and "more than 16 readings hardly add anything; lower its share or add text" in strong
