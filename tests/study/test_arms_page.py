"""Every example on docs/arms.md expands, and says what the page says of it."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from winnow.errors import RecipeError
from winnow.study.graph import expand

PAGE = Path(__file__).parents[2] / "docs" / "arms.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def arms_of(make_recipe, traits):
    return lambda text: expand(make_recipe(**YAML(typ="safe").load(text)), traits)


def test_the_page_has_its_examples():
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize(
    ("place", "names"),
    [
        (0, "full_epochs1 full_epochs2 full_epochs4 r16_epochs1 r16_epochs2 r16_epochs4"),
        (1, "full_epochs1 full_epochs4 herding_0.1_epochs1 herding_0.1_epochs4"),
        (2, "full_epochs1 full_epochs4 r16_epochs1 r16_epochs4"),
        (4, "base warm more"),
    ],
)
def test_an_example_has_the_arms_that_the_page_names(place, names, arms_of):
    assert [arm.name for arm in arms_of(EXAMPLES[place]).arms] == names.split()


def test_rates_are_tried_once_for_each_adapter(arms_of):
    stages = arms_of(EXAMPLES[2]).stages
    assert [name for name in stages if name.startswith("sweep.")] == ["sweep.full_epochs4", "sweep.r16_epochs4"]
    assert stages["train.r16_epochs1.s0"].inputs["sweep"] == "sweep.r16_epochs4"


def test_durations_branch_from_the_longest(arms_of):
    stages = arms_of(EXAMPLES[3]).stages
    assert stages["train.full_tokens10000.s0"].inputs["trunk"] == "train.full_tokens100000.s0"
    assert [each.budget.tokens for each in stages["train.r16_tokens100000.s0"].part.keep_for] == [10000, 30000]
    names = list(stages)
    assert names.index("train.full_tokens100000.s0") < names.index("train.full_tokens10000.s0")


def test_every_seed_has_its_own_chain(arms_of):
    stages = arms_of(EXAMPLES[4]).stages
    assert stages["train.more.s2"].inputs["start"] == "warm.s2"
    assert stages["warm.s1"].part.seed == 1 and "warm" not in stages
    assert stages["evaluate.zero_shot"].inputs["run"] == "base"


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"study": {"sweep": {"learning_rate": [1e-3, 1e-2], "per": "adaptor"}}}, "did you mean 'adapter'?"),
        (
            {
                "study": {"sweep": {"learning_rate": [1e-3, 1e-2], "per": "epochs"}},
                "vary": {"lr": {"training.learning_rate": [1, 2]}},
            },
            "allowed: arm, study, or a factor: lr",
        ),
        (
            {"study": {"sweep": {"learning_rate": [1e-3, 1e-2]}}, "vary": {"lr": {"training.learning_rate": [1, 2]}}},
            "arm lr1 sets training.learning_rate; leave one of them out",
        ),
        (
            {"study": {"branches": True}, "vary": {"a": {"training.packing": [True, False]}}},
            "no two arms differ in their budget alone",
        ),
        ({"study": {"branches": True}}, "train"),
        ({"training": {"start": "nowhere"}}, "training.start is 'nowhere'"),
        (
            {
                "stages": [
                    {"name": "one", "seed": "each", "budget": {"tokens": 5}},
                    {"name": "two", "start": "one", "budget": {"tokens": 5}},
                ]
            },
            "stage 'two' starts from 'one', which every seed trains anew; give it `seed: each` too",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(sections, words, make_recipe, traits):
    vary = {
        "adapter": {"full": {"training.method": "full"}, "r": {"training.lora.r": 4}},
        "e": {"budget.pool_epochs": [1, 2]},
    }
    with pytest.raises(RecipeError) as caught:
        expand(make_recipe(**{"vary": vary} | sections), traits)
    assert words in str(caught.value) and "\n" not in str(caught.value)
