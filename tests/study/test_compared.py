import pytest

from tests_support import SMALLEST
from winnow.errors import RecipeError
from winnow.recipe.file import load_recipe
from winnow.study.compared import compared
from winnow.study.selections import build_selections


def names(traits, *selectors, overrides=(), fractions=()):
    recipe = compared(load_recipe(SMALLEST, list(overrides)), selectors, fractions, traits)
    return [arm.name for arm in build_selections(recipe, traits)]


def test_selectors_targets_and_controls_become_arms(traits):
    asked = ("random", "herding:target", "source_matched:herding_target")
    assert names(traits, *asked) == ["random_0.25", "herding_target_0.25", "source_matched_herding_target_0.25"]


def test_a_control_brings_its_arm(traits):
    assert names(traits, "length_matched:herding") == ["herding_0.25", "length_matched_herding_0.25"]


def test_an_arm_of_the_recipe_keeps_its_options_and_fractions(traits):
    arms = "selection.arms=[{selector: herding, name: mine, options: {window: 1}, fractions: [0.5]}]"
    recipe = compared(load_recipe(SMALLEST, [arms]), ["mine", "full"], [], traits)
    mine, full = build_selections(recipe, traits)
    assert (mine.name, mine.options) == ("mine_0.5", {"window": 1})
    assert full.name == "full"
    assert names(traits, "mine", overrides=[arms], fractions=[0.1, 0.2]) == ["mine_0.1", "mine_0.2"]


@pytest.mark.parametrize(("seeds", "used"), [("[0]", (0, 1, 2)), ("[1,5]", (1, 5, 0)), ("[4,3,2,1]", (4, 3, 2, 1))])
def test_at_least_three_seeds_and_every_row_a_candidate(traits, seeds, used):
    recipe = load_recipe(SMALLEST, [f"study.seeds={seeds}", "study.resample_pool=0.5"])
    study = compared(recipe, ["random"], [], traits).study
    assert (study.seeds, study.resample_pool) == (used, 1.0)


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("hurding", "did you mean 'herding'"),
        ("source_matched", "write source_matched:ARM"),
        ("source_matched:hurding", "did you mean 'herding'"),
        ("herding:gsm8k", "only :target may stand"),
    ],
)
def test_what_cannot_be_compared_is_said(traits, selector, said):
    with pytest.raises(RecipeError, match=said):
        names(traits, selector)


def test_a_fraction_lies_between_0_and_1(traits):
    with pytest.raises(RecipeError, match=r"--fraction is 1.5; it must lie in \(0, 1\]"):
        names(traits, "random", fractions=[1.5])
