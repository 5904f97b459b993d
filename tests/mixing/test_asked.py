"""What a recipe says of a mixture, and what is refused of it: one clear line each."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from mixing.worlds import Unigrams
from winnow.errors import DataError
from winnow.mixing.asked import is_learned, mixture_mistakes, proxies_of, resolved
from winnow.mixing.sources import SourceTokens
from winnow.recipe.mixture import MixerRecipe, MixtureRecipe, ScheduleRecipe

MIXTURE = TypeAdapter(MixtureRecipe)
SOURCES = [SourceTokens("books", 600, 6, 2400), SourceTokens("web", 300, 9, 1300), SourceTokens("reference", 100, 1, 9)]
NAMES = [source.name for source in SOURCES]
HALVES = {"between": "linear", "knots": [{"at": 0, "shares": {"web": 1}}, {"at": 1, "shares": "equal"}]}


def mixture_of(value):
    return MIXTURE.validate_python(value)


def shares_of(value):
    (knot,) = resolved(mixture_of(value), SOURCES, tokens=1000).schedule.knots
    return knot.shares


def refusal(value):
    try:
        found = mixture_mistakes(mixture_of(value), NAMES)
    except ValidationError as error:
        problems = error.errors()
        deepest = max(len(problem["loc"]) for problem in problems)  # a list that lost its bad items is blamed, too
        found = [each["msg"].removeprefix("Value error, ") for each in problems if len(each["loc"]) == deepest]
    (line,) = found
    return line


def test_a_name_a_mapping_and_a_mixer_with_options_are_one_form():
    assert mixture_of("equal") == mixture_of({"name": "equal"}) == MixerRecipe(name="equal")
    given = {"books": 0.5, "web": 0.3, "reference": 0.2}
    assert mixture_of(given) == mixture_of({"name": "given", "options": {"shares": given}})
    assert shares_of(given) == given
    assert shares_of("equal") == dict.fromkeys(NAMES, pytest.approx(1 / 3))
    assert shares_of("natural") == {"books": 0.6, "web": 0.3, "reference": 0.1}
    assert shares_of({"reference": 1}) == {"books": 0.0, "web": 0.0, "reference": 1.0}


@pytest.mark.parametrize("value", ["equal", {"books": 0.25, "web": 0.75}, {"name": "natural"}, HALVES])
def test_what_was_read_can_be_written_and_read_again(value):
    mixture = mixture_of(value)
    assert MIXTURE.validate_json(MIXTURE.dump_json(mixture)) == mixture == mixture_of(mixture)


def test_a_schedule_has_shares_at_its_knots():
    mixture = mixture_of(HALVES)
    assert isinstance(mixture, ScheduleRecipe) and proxies_of(mixture, NAMES) == []
    schedule = resolved(mixture, SOURCES, tokens=1000).schedule
    assert schedule.between == "linear" and [knot.at for knot in schedule.knots] == [0, 1]
    assert schedule.knots[0].shares == {"books": 0, "web": 1, "reference": 0}
    assert schedule.knots[1].shares == pytest.approx(dict.fromkeys(NAMES, 1 / 3))


def test_a_source_may_be_called_as_a_key_is():
    assert mixture_of({"name": 0.5, "between": 0.5}).options == {"shares": {"name": 0.5, "between": 0.5}}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"books": 0.5, "web": 0.4}, "the shares sum to 0.9 (books 0.5 + web 0.4); they must sum to 1"),
        ({"books": 50, "web": 50}, "sum to 100 (books 50 + web 50); they must sum to 1; write 0.5 for 50 %"),
        ({"books": 0, "web": 0}, "all shares are 0; give one source a share at least"),
        ({"books": 1.5, "web": -0.5}, "the share of web is -0.5; it must be at least 0"),
        ({"books": "half", "web": 0.5}, "the share of books is 'half'; it must be a number from 0 to 1"),
        ({"books": True}, "the share of books is True; it must be a number from 0 to 1"),
        ({"books": float("nan"), "web": 1}, "the share of books is nan; it must be a number"),
        ({"boks": 1}, "mixture names source 'boks' (did you mean 'books'?); pool.sources has books, web, reference"),
        ({}, "mixture is {}; write a mixer's name such as `equal`"),
        (0.5, "mixture is 0.5; write a mixer's name"),
        (["books"], "mixture is ['books']; write a mixer's name"),
        ("equl", "unknown mixer 'equl' (did you mean 'equal'?); known: equal, given, mix"),
        (
            {"name": "equal", "option": {}},
            "unknown key mixture.option (did you mean 'options'?); known here: name, o",
        ),
        ({"name": "equal", "options": {"x": 1}}, "unknown option x of mixer equal; known: none"),
        ({"name": "given"}, "option shares of mixer given is missing; write `{name: given, options: {shares: ...}}`"),
        (HALVES | {"knot": 1}, "unknown key mixture.knot (did you mean 'knots'?); known here: between, knots"),
        ({"between": "linear", "knots": []}, "at least 1 item"),
        ({"knots": HALVES["knots"]}, "Field required"),
        (HALVES | {"between": "cubic"}, "Input should be 'linear' or 'step'"),
        (HALVES | {"knots": HALVES["knots"][::-1]}, "a knot at 0 follows one at 1; each must come later than the one"),
        (HALVES | {"knots": [{"at": 0, "shares": "equal"}] * 2}, "a knot at 0 follows one at 0"),
        (HALVES | {"knots": [{"at": 1.5, "shares": "equal"}]}, "less than or equal to 1"),
        (HALVES | {"knots": [{"at": 0, "shares": {"web": 0.2}}]}, "the shares sum to 0.2 (web 0.2)"),
        (HALVES | {"knots": [{"at": 0, "shares": {}}]}, "shares is {}; write a mixer's name"),
        (HALVES | {"knots": [{"at": 0, "shares": {"wb": 1}}]}, "mixture.knots[0].shares names source 'wb' (did you me"),
        (HALVES | {"knots": [{"at": 0, "shares": "mixmin"}]}, "mixture.knots[0].shares is mixmin, which learns its sh"),
        ({"name": "unimax", "options": {"epochs": 2}}, "unknown option epochs of mixer unimax (did you mean 'max_epo"),
        (
            {"name": "regression", "options": {"proxies": {"runs": 3}}},
            "mixture: law log_shares fits 4 numbers to each set of 3 runs; set proxies.runs to 4 at least, 12 for",
        ),
        (HALVES | {"knots": [{"at": 0, "shares": "natrual"}]}, "mixture.knots[0].shares: unknown mixer 'natrual' (did"),
    ],
)
def test_what_is_wrong_is_one_clear_line(value, line):
    assert line in refusal(value)


def test_all_mistakes_of_a_schedule_are_told_at_once():
    wrong = [{"at": 0, "shares": {"boks": 0.5, "wbe": 0.5}}, {"at": 0.5, "shares": "natrual"}]
    found = mixture_mistakes(mixture_of(HALVES | {"knots": wrong}), NAMES)
    assert len(found) == 3 and "'boks'" in found[0] and "'wbe'" in found[1] and "'natrual'" in found[2]


def test_of_one_source_nothing_is_learned():
    (line,) = mixture_mistakes(mixture_of("mixmin"), ["books"])
    assert line == "mixture is mixmin, which learns the shares of several sources; pool.sources has one"


def test_learned_shares_come_from_what_proxies_scored():
    mixture = mixture_of({"name": "mixmin", "options": {"proxies": {"tokens_fraction": 0.01}}})
    proxies = proxies_of(mixture, NAMES)
    assert [proxy.name for proxy in proxies] == ["alone_books", "alone_reference", "alone_web"]
    assert {proxy.tokens_fraction for proxy in proxies} == {0.01} and all(proxy.match_repeats for proxy in proxies)
    assert is_learned(mixture) and not is_learned(mixture_of("equal")) and not is_learned(mixture_of(HALVES))
    world = Unigrams(NAMES)
    sets = {"web": world.text({"web": 0.9, "books": 0.1}, 5000)}
    readings = [world.reading(proxy, sets) for proxy in proxies]
    result = resolved(mixture, SOURCES, tokens=100, readings=readings)
    assert result.schedule.is_constant and result.schedule.knots[0].shares == result.learned.shares
    assert result.learned.shares["web"] == pytest.approx(0.9, abs=0.05)
    kept = json.loads(json.dumps(result.learned.to_dict()))
    assert kept["predicted_gain"] > 0 and kept["shares"] == result.learned.shares and kept["sentences"] == []


def test_a_source_without_text_is_refused_by_name():
    with pytest.raises(DataError, match="source 'web' has no text left for training"):
        resolved(mixture_of("equal"), [SOURCES[0], SourceTokens("web", 0, 0, 0)], tokens=10)
