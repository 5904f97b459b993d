"""Arms as combinations of selections and levels."""

import pytest

from winnow.errors import RecipeError
from winnow.mistakes import mistakes
from winnow.study.arms import build_arms, equal_arms, like
from winnow.study.graph import expand

PROBLEMS = {"name": "a", "licence": "MIT", "problems": {"examples": 50}}
ADAPTER = {"full": {"training.method": "full"}, "r16": {"training.lora.r": 16, "training.lora.lora_alpha": 32}}
EPOCHS = {"budget.pool_epochs": [1, 2.5, 4]}


@pytest.fixture
def arms_of(make_recipe, traits):
    """Arms of a recipe that varies these factors."""

    def build(vary, **sections):
        return build_arms(make_recipe(vary=vary, **sections), traits)

    return build


def test_arms_are_all_combinations_the_first_factor_slowest(arms_of):
    arms = arms_of({"adapter": ADAPTER, "epochs": EPOCHS})
    assert [arm.name for arm in arms] == [
        "full_epochs1", "full_epochs2.5", "full_epochs4", "r16_epochs1", "r16_epochs2.5", "r16_epochs4",
    ]  # fmt: skip
    assert dict(arms[3].factors) == {"adapter": "r16", "epochs": "epochs1"}
    assert [arm.recipe.training.method for arm in arms] == ["full"] * 3 + ["lora"] * 3
    assert {arm.recipe.training.lora.lora_alpha for arm in arms[3:]} == {32}
    assert [arm.recipe.budget.amount for arm in arms] == [1, 2.5, 4] * 2
    assert {arm.selection.name for arm in arms} == {"full"}


def test_a_study_that_varies_nothing_has_its_selections_as_arms(make_recipe, traits):
    recipe = make_recipe(selection={"arms": ["full", "random"], "controls": False})
    arms = build_arms(recipe, traits)
    assert [arm.name for arm in arms] == [arm.selection.name for arm in arms] == ["full", "random_0.1"]
    assert all(arm.recipe == recipe and not arm.settings for arm in arms)


def test_selections_are_in_the_names_where_there_are_several(arms_of):
    chosen = {"arms": ["full", "random"], "controls": False}
    arms = arms_of({"epochs": {"budget.pool_epochs": [1, 2]}}, selection=chosen)
    assert [arm.name for arm in arms] == [
        "full_epochs1", "full_epochs2", "random_0.1_epochs1", "random_0.1_epochs2",
    ]  # fmt: skip
    assert arms[2].factors == {"selection": "random_0.1", "epochs": "epochs1"}
    assert like(arms[2], arms, selection="full").name == "full_epochs1"
    assert like(arms[2], arms, epochs="epochs3") is None


def test_controls_are_of_the_arm_that_is_like_them_in_all_else(arms_of):
    target = {"sources": [{"name": "a", "licence": "MIT", "path": "a.jsonl", "format": "gsm8k"}],
              "target": {"per_source": {"a": 3}}}  # fmt: skip
    chosen = {"arms": [{"selector": "herding", "target": True}, {"selector": "source_matched", "of": "herding_target"}],
              "controls": False, "fractions": [0.1]}  # fmt: skip
    arms = arms_of({"epochs": {"budget.pool_epochs": [1, 2]}}, selection=chosen, pool=target)
    assert [arm.control_of for arm in arms] == [
        None, None, "herding_target_0.1_epochs1", "herding_target_0.1_epochs2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1e-6, 3e-4, 0.5], ["lr1e-06", "lr0.0003", "lr0.5"]),
        ([1, 2.0, 10**14], ["lr1", "lr2", "lr100000000000000"]),
        ([5e20], ["lr5e20"]),
        ([None, 1.0], ["lrnone", "lr1"]),
        ([True, False], ["lrtrue", "lrfalse"]),
        (["linear", "cosine"], ["linear", "cosine"]),
    ],
)
def test_levels_are_named_after_their_value(values, names, make_recipe):
    recipe = make_recipe(vary={"lr": {"training.max_grad_norm": values}})
    assert list(recipe.vary["lr"]) == names
    again = make_recipe(vary=recipe.model_dump(mode="json")["vary"])
    assert again.vary == recipe.vary


def test_one_start_and_one_selection_serve_all_arms(make_recipe, traits):
    graph = expand(make_recipe(vary={"adapter": ADAPTER, "epochs": EPOCHS}, study={"seeds": [0, 1]}), traits)
    kinds = [stage.kind for stage in graph.stages.values()]
    assert kinds.count("select") == 1 and kinds.count("train") == 12 and kinds.count("evaluate") == 13
    assert {stage.inputs["selection"] for stage in graph.stages.values() if stage.kind == "train"} == {"select.full"}
    assert graph.stages["train.r16_epochs4.s1"].part.training.lora.r == 16
    assert graph.stages["train.r16_epochs4.s1"].part.budget.pool_epochs == 4


def test_two_arms_that_are_the_same_are_told(arms_of):
    arms = arms_of({"adapter": {"small": {"training.lora.r": 8}, "usual": {"training.lora.r": 8}}})
    assert equal_arms(arms) == ["arms small and usual are the same once all is set: one run serves both"]


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (
            {"a": {"x": {"training.lerning_rate": 1}}},
            "vary.a.x: unknown key training.lerning_rate (did you mean 'learning_rate'?)",
        ),
        ({"a": {"x": {"training.lora.r": 0}}}, "vary.a.x: training.lora.r is 0; it must be at least 1"),
        ({"a": {"training.lora.r": [4, 0]}}, "vary.a.a0: training.lora.r is 0; it must be at least 1"),
        (
            {"a": {"x": {"training.method": "full"}}, "b": {"y": {"training.quantise": "4bit"}}},
            "arm x_y: training.quantise goes with",
        ),
        (
            {"a": {"x": {"budget.tokens": 1000}, "y": {"budget.flops": 1e9}}},
            "arm x has a budget in tokens, arm y one in flops",
        ),
        (
            {
                "a": {"same": {"training.lora.r": 4}},
                "b": {"z": {"training.packing": True}},
                "c": {"same_z": {"training.compile": True}},
            },
            None,
        ),
    ],
)
def test_what_is_wrong_with_a_level_is_told_by_its_place(vary, words, arms_of):
    if words is None:
        assert [arm.name for arm in arms_of(vary)] == ["same_z_same_z"]
        return
    with pytest.raises(RecipeError) as caught:
        arms_of(vary)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_all_mistakes_of_all_levels_are_told_at_once(arms_of):
    with pytest.raises(RecipeError) as caught:
        arms_of(
            {"a": {"x": {"training.lora.r": 0}, "y": {"training.lora.r": -1}}, "b": {"training.packing": [True, 2]}}
        )
    assert len(caught.value.mistakes) == 3


def test_two_arms_of_one_name_are_refused(arms_of):
    with pytest.raises(RecipeError, match="two arms are named 'a_b_c'"):
        arms_of({
            "one": {"a_b": {"training.lora.r": 4}, "a": {"training.lora.r": 8}},
            "two": {"c": {"training.packing": True}, "b_c": {"training.packing": False}},
        })  # fmt: skip


def test_what_is_wrong_beside_a_level_is_told_with_it(make_recipe):
    recipe = make_recipe(
        vary={"a": {"x": {"training.lora.r": 0}}}, pool={"sources": [PROBLEMS], "chat_template": "no such file {{"}
    )
    found = mistakes(recipe, must_exist=False)
    assert any("vary.a.x: training.lora.r is 0" in line for line in found) and len(found) > 1
