"""What every mixer promises; a new one is tested here by being registered, those of other packages too.

Learned ones are given the readings that their proxies would have in a world of unigram sources.
"""

import inspect
import io
import random

import numpy as np
import pytest

from mixing.worlds import Unigrams, sources_of
from winnow.errors import RecipeError
from winnow.mixing.learned import Learned
from winnow.mixing.registry import check, mixers

KNOWN = mixers()
NAMES = sorted(KNOWN)
LEARNED = [name for name in NAMES if KNOWN[name].is_learned]
OPTIONS = {"given": {"shares": {"web": 0.5, "books": 0.3, "notes": 0.2}}}
"""Of mixers that say nothing without options."""
SOURCES = sources_of(["web", "books", "notes", "code"], [40_000, 25_000, 600, 9_000])
TOKENS = 20_000


def options_of(name):
    return check(name, OPTIONS.get(name, {}))


def readings_for(name, sources):
    """What the proxies score on text held out of every source."""
    world = Unigrams([source.name for source in SOURCES], seed=7)
    sets = {each: world.text({each: 1.0}, 300) for each in sorted([source.name for source in SOURCES])}
    proxies = KNOWN[name].proxies([source.name for source in sources], options=options_of(name))
    return [world.reading(proxy, sets) for proxy in proxies]


def mixed(name, sources=SOURCES, tokens=TOKENS):
    learns_from = {"readings": readings_for(name, sources)} if KNOWN[name].is_learned else {}
    result = KNOWN[name].shares(sources, tokens=tokens, options=options_of(name), **learns_from)
    return dict(result.shares if isinstance(result, Learned) else result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_shares_lie_on_the_simplex(name, count):
    if count == len(SOURCES) or not (name in OPTIONS or (count == 1 and KNOWN[name].is_learned)):
        shares = mixed(name, SOURCES[:count])
        assert set(shares) == {source.name for source in SOURCES[:count]}
        assert all(isinstance(share, float) and 0 <= share <= 1 for share in shares.values())
        assert sum(shares.values()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_sources_does_not_matter(name):
    shares = mixed(name)
    for order in (SOURCES[::-1], SOURCES[2:] + SOURCES[:2]):
        assert mixed(name, order) == pytest.approx(shares, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_look_gives_the_same_whatever_chance_did_meanwhile(name):
    random.seed(1), np.random.seed(1)
    shares = mixed(name)
    random.seed(2), np.random.seed(2)
    assert mixed(name) == shares
    if KNOWN[name].is_learned:
        sources = [source.name for source in SOURCES]
        proxies = KNOWN[name].proxies(sources, options=options_of(name))
        assert list(KNOWN[name].proxies(sources, options=options_of(name))) == list(proxies)


@pytest.mark.parametrize("name", NAMES)
def test_it_sees_sources_and_proxies_and_no_evaluation_data(name, monkeypatch):
    """Nothing else is handed over, and no file is opened."""
    wanted = {"sources", "tokens", "options"} | ({"readings"} if KNOWN[name].is_learned else set())
    assert set(inspect.signature(KNOWN[name].shares).parameters) == wanted
    mixed(name)

    def no_file(*args, **options):
        raise AssertionError(f"{name} opens {args}")

    monkeypatch.setattr("builtins.open", no_file)
    monkeypatch.setattr(io, "open", no_file)
    mixed(name)


@pytest.mark.parametrize("name", NAMES)
def test_it_changes_nothing_that_it_is_given(name):
    sources = list(SOURCES)
    readings = readings_for(name, sources) if KNOWN[name].is_learned else []
    before = [
        (dict(each.losses), {key: row.copy() for key, row in each.log_probabilities.items()}) for each in readings
    ]
    extra = {"readings": readings} if readings else {}
    KNOWN[name].shares(sources, tokens=TOKENS, options=options_of(name), **extra)
    assert sources == SOURCES
    for each, (losses, logs) in zip(readings, before, strict=True):
        assert each.losses == losses and all((each.log_probabilities[key] == row).all() for key, row in logs.items())


@pytest.mark.parametrize("name", NAMES)
def test_what_the_sources_hold_in_all_is_believed_at_any_size(name):
    """A thousand times as much of everything, and a run that much longer, has the same shares."""
    larger = sources_of([source.name for source in SOURCES], [1000 * source.tokens for source in SOURCES])
    assert mixed(name, larger, 1000 * TOKENS) == pytest.approx(mixed(name), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_it_does_not_have_is_refused(name):
    with pytest.raises(RecipeError, match=f"unknown option nonsense of mixer {name}"):
        check(name, OPTIONS.get(name, {}) | {"nonsense": 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_line_what_it_is(name):
    assert KNOWN[name].name == name
    assert KNOWN[name].summary.endswith(".") and "\n" not in KNOWN[name].summary and len(KNOWN[name].summary) < 90


@pytest.mark.parametrize("name", LEARNED)
def test_proxies_are_small_runs_at_shares_of_their_own(name):
    sources = [source.name for source in SOURCES]
    proxies = KNOWN[name].proxies(sources, options=options_of(name))
    assert len({proxy.name for proxy in proxies}) == len(proxies) > 0
    for proxy in proxies:
        assert set(proxy.shares) <= set(sources) and sum(proxy.shares.values()) == pytest.approx(1)
        assert min(proxy.shares.values()) >= 0 and 0 < proxy.tokens_fraction <= 1
    turned = KNOWN[name].proxies(sources[::-1], options=options_of(name))
    assert {each.name: dict(each.shares) for each in turned} == {each.name: dict(each.shares) for each in proxies}


@pytest.mark.parametrize("name", LEARNED)
def test_the_order_of_the_readings_does_not_matter(name):
    readings = readings_for(name, SOURCES)
    told = [
        KNOWN[name].shares(SOURCES, tokens=TOKENS, readings=given, options=options_of(name)).shares
        for given in (readings, readings[::-1])
    ]
    assert told[0] == pytest.approx(told[1], abs=1e-6)


@pytest.mark.parametrize("name", LEARNED)
def test_what_it_predicts_is_an_honest_record(name):
    readings = readings_for(name, SOURCES)
    learned = KNOWN[name].shares(SOURCES, tokens=TOKENS, readings=readings, options=options_of(name))
    assert isinstance(learned, Learned) and sum(learned.goal.values()) == pytest.approx(1)
    assert set(learned.goal) <= set(readings[0].losses) and np.isfinite(learned.predicted_loss)
    if learned.gain_interval is not None:
        low, high = learned.gain_interval
        assert low <= high and learned.interval_over
        assert (low <= 0) == any("no gain over equal shares is predicted" in each for each in learned.sentences)
