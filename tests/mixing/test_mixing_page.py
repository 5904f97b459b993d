"""Every example on docs/mixing.md is understood, and the page says what the mixers say of themselves."""

import re

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from tests_support import ROOT
from winnow.mixing.asked import is_learned, mixture_mistakes, proxies_of, resolved
from winnow.mixing.registry import BUILT_IN, mixers
from winnow.mixing.repeats import DECAY, MANY_EPOCHS, TOO_MANY_EPOCHS
from winnow.mixing.schedule import time_averages
from winnow.mixing.sources import SourceTokens
from winnow.recipe.mixture import MixtureRecipe, ScheduleRecipe

PAGE = (ROOT / "docs" / "mixing.md").read_text()
EXAMPLES = [YAML(typ="safe").load(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
MIXTURES = [TypeAdapter(MixtureRecipe).validate_python(each["mixture"]) for each in EXAMPLES if "mixture" in each]
SOURCES = [SourceTokens("books", 900, 3, 9), SourceTokens("web", 300, 9, 9), SourceTokens("reference", 500, 5, 9)]
NAMES = [source.name for source in SOURCES]


def test_the_page_has_its_examples():
    assert len(MIXTURES) == 9 and sum(isinstance(each, ScheduleRecipe) for each in MIXTURES) == 3


@pytest.mark.parametrize("mixture", MIXTURES)
def test_an_example_is_understood(mixture):
    assert mixture_mistakes(mixture, NAMES) == []
    if is_learned(mixture):
        assert len(proxies_of(mixture, NAMES)) == {"mixmin": 3, "regression": 16}[mixture.name]
    else:
        averages = time_averages(resolved(mixture, SOURCES, tokens=1000).schedule, NAMES)
        assert sum(averages.values()) == pytest.approx(1)


def test_the_schedules_are_what_the_page_calls_them():
    linear, switch, cooldown = (
        time_averages(resolved(each, SOURCES, tokens=1000).schedule, NAMES)
        for each in MIXTURES
        if isinstance(each, ScheduleRecipe)
    )
    assert linear == pytest.approx({"books": 0.5, "web": 0.3, "reference": 0.2}) == switch
    assert cooldown == pytest.approx({"books": 0.8 / 3 + 0.04, "web": 0.8 / 3 + 0.04, "reference": 0.8 / 3 + 0.12})


def test_the_table_of_mixers_is_theirs():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert rows == {name: mixers()[name].summary for name in BUILT_IN}


def test_the_numbers_of_repeats_are_those_that_count():
    assert f"R* = {DECAY} " in PAGE
    assert f"warns above {MANY_EPOCHS} epochs, and again above {TOO_MANY_EPOCHS}" in PAGE
