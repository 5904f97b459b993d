"""What mixers that learn have in common: options, goals, proxies, what is told before a run."""

import subprocess
import sys

import numpy as np
import pytest

from winnow.errors import DataError, RecipeError
from winnow.mixing.asked import resolved
from winnow.mixing.learned import Learned, Proxy, ProxyReading
from winnow.mixing.learning import LearnedOptions, ProxiesOptions, alone, check_readings, goal_of, interval
from winnow.mixing.registry import check
from winnow.mixing.sources import SourceTokens
from winnow.recipe.mixture import MixerRecipe

READINGS = [ProxyReading(Proxy("alone_a", {"a": 1.0}, 0.1), {"web": 1.0, "books": 2.0, "papers": 3.0})]


PAPERS = {"name": "papers", "licence": "CC0-1.0", "path": "papers.jsonl", "format": "text"}


def options_of(**given):
    return LearnedOptions.model_validate(given)


def test_a_goal_weighs_the_sets_it_names_or_all_alike():
    assert goal_of(READINGS, options_of()) == pytest.approx({"books": 1 / 3, "papers": 1 / 3, "web": 1 / 3})
    weighed = goal_of(READINGS, options_of(goal={"web": 3, "papers": 1}))
    assert weighed == {"papers": 0.25, "web": 0.75}
    assert list(weighed) == ["papers", "web"], "by name, so that sums are alike"


def test_with_a_target_the_goal_is_the_target_unless_it_says_otherwise():
    assert goal_of(READINGS, options_of(target=PAPERS)) == {"papers": 1.0}
    both = goal_of(READINGS, options_of(target=PAPERS, goal={"papers": 1, "web": 1}))
    assert both == {"papers": 0.5, "web": 0.5}
    with pytest.raises(RecipeError, match="the goal weighs 'paper' .did you mean 'papers'"):
        goal_of(READINGS, options_of(target=PAPERS | {"name": "paper"}))


def test_proxies_of_single_sources_are_named_by_them_whatever_their_order():
    options = ProxiesOptions(tokens_fraction=0.25, match_repeats=False)
    assert alone(["web", "books"], options) == alone(["books", "web"], options)
    assert alone(["web"], options) == [Proxy("alone_web", {"web": 1.0}, 0.25, False)]


@pytest.mark.parametrize(
    ("losses", "line"),
    [
        ({"web": 1.0}, "proxy alone_b was scored on web, another one on books, papers, web; make the proxies again"),
        ({"web": float("nan"), "books": 1.0, "papers": 1.0}, "proxy alone_b has loss nan on web; train with a lower"),
        ({"web": 1.0, "books": float("inf"), "papers": 1.0}, "proxy alone_b has loss inf on books; train with a lower"),
    ],
)
def test_a_proxy_that_came_to_nothing_is_named(losses, line):
    check_readings(READINGS)
    with pytest.raises(DataError, match=f"^{line}"):
        check_readings([*READINGS, ProxyReading(Proxy("alone_b", {"b": 1.0}, 0.1), losses)])
    with pytest.raises(DataError, match=f"^{line}"):
        mixture, sources = MixerRecipe(name="mixmin"), [SourceTokens(name, 99, 1, 1) for name in "ab"]
        resolved(
            mixture, sources, tokens=9, readings=[*READINGS, ProxyReading(Proxy("alone_b", {"b": 1.0}, 0.1), losses)]
        )


def test_an_interval_leaves_out_a_fortieth_on_either_side():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


def learned(**told):
    usual = {"predicted_gain": 0.01, "gain_interval": (0.004, 0.02), "interval_over": "redrawn proxies"}
    return Learned({"a": 0.4, "b": 0.6}, {"t": 1.0}, 1.5, **usual | told)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"gain_interval": (-0.001, 0.02)},
            "no gain over equal shares is predicted: +0.0100 nats per byte, 95 %",
        ),
        ({"gain_interval": (0.0, 0.02)}, "interval +0.0000 to +0.0200 over redrawn proxies"),
        ({"beyond_proxies": ("a", "b")}, "the shares of a, b lie at or beyond the edge of the proxies' shares"),
        ({"capped": ("b",)}, "b: held to the most epochs allowed"),
    ],
)
def test_what_a_reader_has_to_know_is_said(told, sentence):
    (said,) = learned(**told).sentences
    assert sentence in said


def test_nothing_is_said_where_all_is_well_or_nothing_was_predicted():
    assert learned().sentences == learned(gain_interval=None).sentences == ()


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("mixmin", {"max_epochs": 0}, "option max_epochs of mixer mixmin is 0; input should be greater than 0"),
        ("mixmin", {"proxies": {"runs": 4}}, "unknown option proxies.runs of mixer mixmin"),
        ("regression", {"kl": -1}, "option kl of mixer regression is -1"),
        ("regression", {"law": "cubic"}, "option law of mixer regression is 'cubic'"),
        ("regression", {"prior": "mine"}, "option prior of mixer regression is 'mine'"),
        ("regression", {"proxies": {"tokens_fraction": 2}}, "option proxies.tokens_fraction of mixer regression is 2"),
        ("temperature", {"temperature": 0.5}, "option temperature of mixer temperature is 0.5"),
        ("unimax", {"max_epochs": None}, "option max_epochs of mixer unimax is None"),
    ],
)
def test_an_option_out_of_its_range_is_one_line(name, options, line):
    with pytest.raises(RecipeError) as refusal:
        check(name, options)
    assert str(refusal.value).startswith(line)


def test_a_target_is_a_source_with_its_licence():
    target = {"name": "papers", "path": "papers.jsonl.gz", "format": "text"}
    assert check("mixmin", {"target": target | {"licence": "CC0-1.0"}}).target.name == "papers"
    with pytest.raises(RecipeError, match=r"^option target.licence of mixer mixmin is missing; write"):
        check("mixmin", {"target": target})


@pytest.mark.slow
def test_recipes_are_checked_without_anything_heavy():
    code = (
        "import sys; from winnow.mixing.registry import mixers; mixers(); import winnow.mixing.asked\n"
        "print([name for name in ('torch', 'transformers', 'pandas', 'scipy', 'pyarrow') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
