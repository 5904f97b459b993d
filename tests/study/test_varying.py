"""Section `vary`: what a factor is, and what is none."""

import json

import pytest

from winnow.errors import RecipeError
from winnow.recipe.file import load_recipe


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (
            {"pool": {"x": {"pool.sample": 5}}},
            "vary.pool.x sets pool.sample, which belongs to the study; arms may differ in training.*, budget.*",
        ),
        ({"a": {"x": {"trainng.lora.r": 5}}}, "vary.a.x sets trainng.lora.r (did you mean 'training'?)"),
        ({"a": {"seeds": {"study.seeds": [1]}}}, "study.seeds, which belongs to the study"),
        ({"a": {}}, "vary.a has no levels"),
        ({"a": []}, "vary.a has no levels"),
        ({"a": {"training.lora.r": []}}, "vary.a has no levels; give training.lora.r one value at least"),
        ({"a": {"training.lora.r": 4}}, "vary.a mixes keys and levels"),
        ({"a": {"training.lora.r": [4], "training.packing": [True]}}, "vary.a mixes keys and levels"),
        ({"a": {"training.lora.r": [4, 4.0]}}, "vary.a has two levels named 'a4'"),
        ({"a": {"training.betas": [[0.9, 0.99]]}}, "which makes no name"),
        ({"a": {"x": {}}}, "vary.a.x sets nothing"),
        ({"a": {"x": {"training": 3}}}, "vary.a.x sets training as a whole"),
        ({"seed": {"training.lora.r": [4]}}, "vary.seed: tables have another column of this name"),
        (
            {"a": {"training.lora.r": [4, 8]}, "b": {"x": {"training.lora.r": 4}}},
            "vary.a and vary.b both set training.lora.r",
        ),
        ({"a": {"training.lora.r": [4, 8]}, "b": {"x": {"training.lora": {"r": 4}}}}, "both set training.lora"),
        ({"a": {"budget.tokens": [4, 8]}, "b": {"x": {"budget.flops": 4}}}, "both set budget"),
        ([1], "vary is a list; it must be factors"),
        ({"a b": {"training.lora.r": [4]}}, "vary.a b"),
        ({"a": {"x y": {"training.lora.r": 4}}}, "vary.a.x y"),
    ],
)
def test_what_is_no_factor_is_refused_in_one_line(vary, words, make_recipe):
    with pytest.raises(RecipeError) as caught:
        make_recipe(vary=vary)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_settings_may_be_written_as_a_section(make_recipe):
    recipe = make_recipe(vary={"a": {"x": {"training": {"lora": {"r": 4}, "packing": True}}}})
    assert recipe.vary["a"]["x"] == {"training.lora": {"r": 4}, "training.packing": True}


def test_a_study_that_varies_something_else_trains_on_the_full_pool(make_recipe):
    recipe = make_recipe(vary={"a": {"training.lora.r": [4, 8]}})
    assert recipe.selection.arms == ("full",) and not recipe.selection.controls
    chosen = make_recipe(vary={"a": {"training.lora.r": [4, 8]}}, selection={"arms": ["random"]})
    assert chosen.selection.arms == ("random",) and chosen.selection.controls


@pytest.mark.parametrize(
    ("override", "factor", "levels"),
    [
        (
            "vary.epochs.budget.pool_epochs=[1, 8]",
            "epochs",
            {"epochs1": {"budget.pool_epochs": 1}, "epochs8": {"budget.pool_epochs": 8}},
        ),
        ("vary.adapter.r4.training.lora.r=5", "adapter", {"r4": {"training.lora.r": 5}}),
        ("vary.adapter.r4.training.packing=true", "adapter", {"r4": {"training.lora.r": 4, "training.packing": True}}),
        (
            "vary.adapter.r8={training.lora.r: 8}",
            "adapter",
            {"r4": {"training.lora.r": 4}, "r8": {"training.lora.r": 8}},
        ),
        ("vary.lr={training.learning_rate: [1e-3]}", "lr", {"lr0.001": {"training.learning_rate": 1e-3}}),
        ("vary={a: {training.packing: [true]}}", "a", {"atrue": {"training.packing": True}}),
    ],
)
def test_levels_are_overridden_by_their_dotted_names(override, factor, levels, make_recipe, tmp_path):
    given = {"adapter": {"r4": {"training.lora.r": 4}}, "epochs": {"budget.pool_epochs": [1, 2]}}
    tree = make_recipe().model_dump(mode="json", exclude_unset=True) | {"vary": given}
    (tmp_path / "recipe.yaml").write_text(json.dumps(tree))
    assert load_recipe(tmp_path / "recipe.yaml", [override]).vary[factor] == levels
