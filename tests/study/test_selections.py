import pytest

from winnow.errors import RecipeError
from winnow.study.selections import build_selections, global_batch_size, name_at

SOURCE = {"name": "a", "licence": "MIT", "path": "a.jsonl", "format": "gsm8k"}
WITH_TARGET = {"sources": [SOURCE], "target": {"per_source": {"a": 3}}}
TARGETED = {"selector": "herding", "target": True}


@pytest.fixture
def arms_of(make_recipe, traits):
    """Arms of a recipe with these arms in its selection."""

    def build(*arms, pool=WITH_TARGET, controls=False, **selection):
        recipe = make_recipe(pool=pool, selection={"arms": arms, "controls": controls, **selection})
        return build_selections(recipe, traits)

    return build


def names(arms):
    return [arm.name for arm in arms]


def test_names_tell_selector_target_and_fraction(arms_of):
    found = arms_of(
        "full", "herding", TARGETED, {"selector": "source_matched", "of": "herding_target"}, fractions=[0.05, 0.1]
    )
    assert names(found) == [
        "full", "herding_0.05", "herding_0.1", "herding_target_0.05", "herding_target_0.1",
        "source_matched_herding_target_0.05", "source_matched_herding_target_0.1",
    ]  # fmt: skip
    assert [arm.of for arm in found[-2:]] == ["herding_target_0.05", "herding_target_0.1"]
    assert [arm.fraction for arm in found] == [None, 0.05, 0.1, 0.05, 0.1, 0.05, 0.1]
    assert [arm.target for arm in found] == [False, False, False, True, True, False, False]


def test_selectors_that_bring_their_size_carry_no_fraction(arms_of):
    listed = {"selector": "ids", "options": {"path": "rows.txt"}}
    found = arms_of(listed, {"selector": "length_matched", "of": "ids"}, fractions=[0.1, 0.2])
    assert [(arm.name, arm.fraction, arm.of) for arm in found] == [
        ("ids", None, None),
        ("length_matched_ids", None, "ids"),
    ]
    assert found[0].options == {"path": "rows.txt"}


def test_fractions_are_spelled_shortly():
    spelled = [name_at("a", fraction) for fraction in (None, 0.1, 0.10, 1.0, 0.005, 1 / 3)]
    assert spelled == ["a", "a_0.1", "a_0.1", "a_1", "a_0.005", "a_0.333333"]


def test_missing_controls_are_added_and_marked(arms_of):
    found = arms_of({"selector": "herding", "fractions": [0.2]}, TARGETED, controls=True)
    assert names(found) == [
        "herding_0.2", "herding_target_0.1", "full", "random_0.1", "equal_shares_0.1",
        "source_matched_herding_target_0.1", "random_plus_target_herding_target_0.1",
    ]  # fmt: skip
    assert [arm.is_added for arm in found] == [False, False, True, True, True, True, True]


def test_controls_that_are_there_are_not_added_again(arms_of):
    controls = [{"selector": name, "of": "herding_target"} for name in ("source_matched", "random_plus_target")]
    found = arms_of("full", "random", "equal_shares", TARGETED, *controls, controls=True)
    assert len(found) == 6
    assert not any(arm.is_added for arm in found)


def test_controls_can_be_switched_off(arms_of):
    assert names(arms_of("herding", TARGETED, controls=False)) == ["herding_0.1", "herding_target_0.1"]


def test_a_control_has_the_fractions_of_its_arm(arms_of):
    own = {"selector": "herding", "target": True, "name": "mine", "fractions": [0.3, 0.4]}
    found = arms_of(own, {"selector": "length_matched", "of": "mine"}, controls=True)
    assert [(arm.name, arm.of) for arm in found if arm.of] == [
        ("length_matched_mine_0.3", "mine_0.3"), ("length_matched_mine_0.4", "mine_0.4"),
        ("source_matched_mine_0.3", "mine_0.3"), ("source_matched_mine_0.4", "mine_0.4"),
        ("random_plus_target_mine_0.3", "mine_0.3"), ("random_plus_target_mine_0.4", "mine_0.4"),
    ]  # fmt: skip


def test_controls_come_last_wherever_they_stand(arms_of):
    found = arms_of({"selector": "source_matched", "of": "herding"}, "random", "herding")
    assert names(found) == ["random_0.1", "herding_0.1", "source_matched_herding_0.1"]


MATCHED = {"selector": "source_matched"}


@pytest.mark.parametrize(("arms", "message"), [
    (["hering"], r"unknown selector 'hering' \(did you mean 'herding'\?\); known: band, .*herding"),
    ([MATCHED], "'source_matched' needs `of:`, the arm that it is the control of"),
    ([{"selector": "random", "of": "full"}, "full"], "'random' is no control and takes no `of:`"),
    ([MATCHED | {"of": "hering"}, "herding"], r"is the control of 'hering' \(did you mean 'herding'\?\)"),
    ([MATCHED | {"of": "herding", "fractions": [0.5]}, "herding"], "has no arm 'herding_0.5'; give both the same"),
    ([MATCHED | {"of": "it", "name": "it"}], "'it' is the control of 'it', a control itself; name a selector's arm"),
    ([MATCHED | {"of": "b", "name": "a"}, MATCHED | {"of": "a", "name": "b"}], "'b', a control itself"),
    (["herding", "herding"], "two arms are named 'herding_0.1'; give one of them another `name:`"),
    (["herding", {"selector": "random", "name": "herding"}], "two arms are named 'herding_0.1'"),
    ([{"selector": "herding", "fractions": [0.2, 0.2]}], "two arms are named 'herding_0.2'"),
    ([{"selector": "random", "target": True}], "'random' cannot aim at a target; remove `target: true`"),
    ([{"selector": "full", "fractions": [0.5]}], "'full' takes no fraction; remove `fractions:`"),
    ([], "selection.arms is empty and selection.controls is off"),
])  # fmt: skip
def test_arms_that_contradict_themselves_are_refused(arms_of, arms, message):
    with pytest.raises(RecipeError, match=message):
        arms_of(*arms)


def test_a_target_must_be_set_aside(arms_of):
    with pytest.raises(RecipeError, match=r"'herding_target' has a target, but pool\.target sets none aside; add it"):
        arms_of(TARGETED, pool={"sources": [SOURCE]})


def test_a_global_batch_spans_devices(make_recipe):
    assert global_batch_size(make_recipe(machine={"devices": 4}), 40, 2) == 320
