"""What is dropped or cut above 2 % of a source is told, with what it did to the shares."""

import json
from types import SimpleNamespace

import pytest

from bad_inputs_support import assert_refuses
from winnow.pipeline import look_over
from winnow.recipe import USUAL_MEASURES
from winnow.text.data_warnings import NO_ROOM, data_warnings


def source(name, examples, **others):
    row = {"name": name, "read": examples, "examples": examples, "validation": 0, "target": 0, "dropped": 0,
           "dropped_by_reason": {}, "left_out": 0, "truncated": 0, "format": "fields"}  # fmt: skip
    return row | others


def told(*sources, sets=None):
    return data_warnings({"sources": list(sources)}, {"sets": sets or {}})


def test_what_stays_whole_says_nothing():
    assert told(source("a", 98, read=100, dropped=2, dropped_by_reason={"no answer": 2}, truncated=1)) == ()


def test_dropped_rows_are_told_with_both_shares():
    reasons = {"no answer": 40, "no question": 10}
    (line,) = told(source("a", 50, read=100, dropped=50, dropped_by_reason=reasons), source("b", 100))
    assert line == (
        "source a: 50 of 100 rows (50.0 %) were dropped (40 with no answer, 10 with no question); "
        "its share of the pool is 33.3 % instead of 50.0 %"
    )


def test_where_others_took_their_places_shares_did_not_move():
    lost = source("a", 50, read=200, dropped=50, dropped_by_reason={"no answer": 50}, left_out=100)
    (line,) = told(lost, source("b", 50))
    assert line.endswith("its share of the pool is 50.0 % instead of 50.0 %")


def test_long_rows_are_counted_among_those_that_were_drawn():
    (line,) = told(source("a", 90, read=9000, dropped=10, dropped_by_reason={NO_ROOM: 10}, left_out=8900))
    assert line == f"source a: 10 of 100 rows (10.0 %) were dropped (10 with {NO_ROOM}); 90 are left"


def test_cut_rows_and_lost_items_are_told():
    lines = told(
        source("a", 100, truncated=3),
        sets={"test": {"read": 10, "dropped": 1, "dropped_by_reason": {"bytes in column 'a'": 1}}},
    )
    assert lines[0].startswith("source a: 3 of 100 rows (3.0 %) were cut at the end")
    assert lines[1] == "evaluation set test: 1 of 10 rows (10.0 %) were dropped (1 with bytes in column 'a')"


@pytest.mark.parametrize(
    ("count", "said"),
    [({"long_answers": 5}, "taken as they stand"), ({"long_final_answers": 5}, "in small letters and on one line")],
)
def test_long_texts_in_a_format_for_final_answers_are_told(count, said):
    (line,) = told(source("a", 100, **count))
    assert line.startswith("source a: 5 answers are long texts in format fields") and said in line


def test_prompts_that_run_into_their_completions_are_told():
    (line,) = told(source("a", 100, run_together=100))
    assert line.startswith("source a: 100 prompts run into their completions")


@pytest.mark.parametrize(("aggregate", "is_refused"), [("micro", False), ("open", True), ("sums", False)])
def test_exact_match_of_open_answers_alone_is_no_question(tmp_path, aggregate, is_refused):
    made = {name: SimpleNamespace(folder=tmp_path / name) for name in ("pool", "tests")}
    item = {"read": 5, "dropped": 0, "dropped_by_reason": {}}
    sets = {"open": item | {"constant_level": None}, "sums": item | {"constant_level": 0.1}}
    for name, statistics in (("pool", {"sources": []}), ("tests", {"sets": sets})):
        made[name].folder.mkdir()
        (made[name].folder / "statistics.json").write_text(json.dumps(statistics))
    primary = SimpleNamespace(metric="exact_match", aggregate=aggregate)
    asked = SimpleNamespace(asked=USUAL_MEASURES)
    recipe = SimpleNamespace(study=SimpleNamespace(primary=primary), evaluation=asked, is_text=False)
    if is_refused:
        assert_refuses(lambda: look_over(recipe, made), "exact_match", "all answers of open are open text")
    else:
        assert look_over(recipe, made) == ()
