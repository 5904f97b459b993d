"""Studies that vary mixtures: equal, natural and static arms, which are added where they are missing."""

import json

import pytest

from text_support import text_recipe, text_tree
from winnow import pipeline
from winnow.pipeline import expand, run, selector_traits

pytestmark = pytest.mark.long

SWITCH = {"between": "step", "knots": [{"at": 0, "shares": {"web": 1.0}}, {"at": 0.5, "shares": {"books": 1.0}}]}
RISE = {"between": "linear", "knots": [{"at": 0, "shares": {"web": 1.0}}, {"at": 1, "shares": "equal"}]}


def arms_of(**others):
    return {arm.name: arm for arm in expand(text_recipe(**others), selector_traits()).arms}


def test_equal_natural_and_static_arms_are_added_where_they_are_missing():
    levels = {"switch": {"mixture": SWITCH}, "rise": {"mixture": RISE, "training.learning_rate": 0.01}}
    arms = arms_of(vary={"mixture": levels})
    assert list(arms) == ["switch", "rise", "switch_static", "rise_static", "equal", "natural"]
    assert [name for name, arm in arms.items() if arm.is_added] == list(arms)[2:]
    assert {name: arm.control_of for name, arm in arms.items() if arm.control_of} == {
        "switch_static": "switch", "rise_static": "rise"
    }  # fmt: skip
    assert arms["rise_static"].recipe.training.learning_rate == 0.01
    assert list(arms_of(vary={"mixture": levels}, study={"controls": False})) == ["switch", "rise"]


def test_controls_that_are_there_are_not_added_and_stand_at_every_level_of_other_factors():
    levels = {
        "even": {"mixture": "equal"},
        "switch": {"mixture": SWITCH},
        "held": {"mixture": SWITCH | {"static": True}},
    }
    arms = arms_of(vary={"mixture": levels, "rate": {"training.learning_rate": [0.01, 0.02]}})
    assert list(arms) == [f"{level}_rate{rate}" for level in (*levels, "natural") for rate in (0.01, 0.02)]
    assert all(arm.is_added == name.startswith("natural") for name, arm in arms.items())
    nested = arms_of(
        vary={"rate": {"training.learning_rate": [0.01, 0.02]}, "mixture": {"switch": {"mixture": SWITCH}}}
    )
    assert nested["rate0.02_switch_static"].control_of == "rate0.02_switch"
    assert nested["rate0.02_switch_static"].recipe.training.learning_rate == 0.02


def test_studies_of_one_mixture_get_no_arms():
    assert list(arms_of(mixture=SWITCH, vary={"rate": {"training.learning_rate": [0.01, 0.02]}})) == [
        "rate0.01", "rate0.02"
    ]  # fmt: skip


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory):
    root = tmp_path_factory.mktemp("scheduled")
    study = {"seeds": [0, 1], "primary": text_tree()["study"]["primary"] | {"arm": "rise"}}
    run(text_recipe(vary={"mixture": {"rise": {"mixture": RISE}}}, study=study), out=root / "mixing")
    return root / "mixing"


def test_a_static_control_reads_as_much_of_each_source_at_constant_shares(scheduled):
    def mixed(name):
        return json.loads((scheduled / f"training_records.{name}.json").read_text())["mixture"]

    rise, static = mixed("rise"), mixed("rise_static")
    for one, other in zip(rise["sources"], static["sources"], strict=True):
        assert abs(one["rows"] - other["rows"]) <= 1
        assert one["asked_share"] == pytest.approx(other["asked_share"])
    assert len(static["knots"]) == 1
    half = len(static["rows"]) // 2
    web = [row["source"] for row in static["sources"]].index("web")
    assert abs(2 * static["rows_by_source"][half][web] - static["rows_by_source"][-1][web]) <= 4
    assert rise["rows_by_source"][half][web] > 0.6 * rise["rows_by_source"][-1][web]


def test_the_verdict_on_a_schedule_has_its_static_control_beside_it(scheduled):
    found = pipeline.report(scheduled)
    assert any("rise_static" in note and "static control" in note for note in found.verdict.notes)
