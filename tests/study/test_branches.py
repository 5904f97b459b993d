"""Stages that are branched from a longer one: their inputs, what they are asked, what they are charged for."""

import pytest

from winnow.errors import RecipeError
from winnow.ledger import charged_stages
from winnow.parts import CooldownPart, asked
from winnow.recipe import BudgetRecipe

LONG = {
    "name": "long",
    "budget": {"tokens": 9000},
    "training": {"schedule": "constant"},
    "keep_at": [0.3, 0.8],
    "seed": 3,
}
SHORT = {"name": "short", "budget": {"tokens": 4000}, "cooldown_of": "long"}


@pytest.fixture
def branched(make_graph):
    return lambda *stages, **sections: make_graph(stages=list(stages), **sections)


def test_a_branch_is_asked_what_its_trunk_is_and_where_it_ends(branched):
    stages = branched(LONG, SHORT).stages
    trunk, branch = stages["long"], stages["short"]
    assert branch.inputs == trunk.inputs | {"trunk": "long"}
    cooldown = CooldownPart(budget=BudgetRecipe(tokens=4000), fraction=0.2)
    assert branch.part == trunk.part.model_copy(update={"cooldown": cooldown, "keep_at": ()})
    assert trunk.part.keep_at == (0.3, 0.8)


def test_arms_may_start_from_a_branch_and_are_charged_for_it_alone(branched):
    """What the branch has of the longer run stands in the branch's own costs."""
    graph = branched(LONG, SHORT, training={"start": "short"})
    run = next(stage for stage in graph.stages.values() if stage.kind == "train" and stage.arm)
    inputs = {stage.name: stage.inputs for stage in graph.stages.values()}
    below = charged_stages(run.name, inputs, except_below=("base",))
    assert (below.count("long"), below.count("short")) == (0, 1)


def test_a_warm_up_that_is_a_branch_needs_its_trunk_too(branched):
    arms = {"arms": [{"selector": "herding", "representation": "warm"}], "controls": False}
    representations = {"warm": {"kind": "hidden_states", "model": "short"}}
    graph = branched(LONG, SHORT, selection=arms | {"representations": representations})
    selection = next(stage for stage in graph.stages.values() if stage.kind == "select")
    assert {"warm_up.short", "warm_up.long"} <= selection.inputs.keys()


def test_a_stage_that_keeps_nothing_is_asked_as_before(branched):
    bare = {key: value for key, value in LONG.items() if key != "keep_at"}
    known = asked(branched(bare).stages["long"].part)
    assert not {"keep_at", "keep_every_steps", "cooldown"} & known.keys()
    assert asked(branched(LONG).stages["long"].part) == known | {"keep_at": [0.3, 0.8]}


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([SHORT], "cools down 'long'; the stages before it that are no branches: none"),
        ([LONG, SHORT | {"cooldown_of": "lang"}], "cools down 'lang'.*long"),
        ([LONG, SHORT, SHORT | {"name": "third", "cooldown_of": "short"}], "no branches: long"),
        ([LONG, SHORT | {"budget": {"examples": 9}}], "budget in examples, 'long', which it cools down, one in tokens"),
        ([LONG, SHORT | {"seed": 4, "sources": ["a"]}], "trains as that does; remove sources, seed"),
        ([LONG, SHORT | {"keep_at": [0.5]}], "remove keep_at"),
    ],
)  # fmt: skip
def test_what_cannot_be_branched_is_refused_in_one_line(branched, stages, message):
    with pytest.raises(RecipeError, match=message):
        branched(*stages)
