"""Own samples in a study: drawn once, looked at by every run, and no reason to train one anew."""

import pytest

from winnow.errors import RecipeError
from winnow.fingerprints import fingerprint_of
from winnow.models.checking import check_answers
from winnow.recipe import EvaluationRecipe
from winnow.records import Artifact, Cost, Stored
from winnow.walk import wanted

PROBLEMS = {"licence": "MIT", "problems": {"examples": 50}}
SETS = [PROBLEMS | {"name": "test"}]
ARMS = {"selection": {"arms": ["full", "random"], "controls": False}, "study": {"seeds": [0, 1]}}


@pytest.fixture
def graphs(make_graph):
    """Without own samples, and with them."""
    return make_graph(**ARMS), make_graph(**ARMS, evaluation={"sets": SETS, "own_samples": {"count": 5}})


def fingerprints(graph, tmp_path):
    stored = {
        name: Stored(Artifact(name, stage.kind, name, name, {}, {}, Cost(), {}, {}), tmp_path)
        for name, stage in graph.stages.items()
    }
    return {
        name: fingerprint_of(stage, {role: stored[other] for role, other in stage.inputs.items()})
        for name, stage in graph.stages.items()
    }


def test_they_add_stages_and_change_none(graphs, tmp_path):
    without, having = (fingerprints(graph, tmp_path) for graph in graphs)
    assert {name: having[name] for name in without} == without
    runs = {f"divergence.{arm}.s{seed}" for arm in ("full", "random_0.1") for seed in (0, 1)}
    assert having.keys() - without.keys() == {"own_samples", *runs}


def test_a_run_is_trained_when_they_are_there(graphs):
    _, graph = graphs
    order = list(graph.stages)
    for name, stage in graph.stages.items():
        assert stage.beside == ({"own_samples": "own_samples"} if name.startswith("train.") else {})
        assert all(order.index(each) < order.index(name) for each in stage.beside.values())
    assert "own_samples" in wanted(graph, until=("train",)), "which rests on them for its curve alone"
    assert "own_samples" not in wanted(graph, until=("select",))
    assert set(graph.stages["divergence.full.s1"].inputs.values()) == {"train.full.s1", "own_samples"}


def test_texts_that_the_model_has_no_room_for_are_refused(make_recipe):
    architecture = {
        "model_type": "llama", "vocab_size": 300, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 70,
    }  # fmt: skip
    pretrain = {
        "architecture": architecture, "budget": {"tokens": 1000}, "context_tokens": 70,
        "sources": [{"name": "text", "licence": "MIT", "passages": {"documents": 9}}],
    }  # fmt: skip

    def check(tokens):
        evaluation = {"sets": SETS, "max_new_tokens": 4, "own_samples": {"tokens": tokens}}
        check_answers(make_recipe(base={"pretrain": pretrain}, evaluation=evaluation))

    check(69)
    with pytest.raises(RecipeError, match=r"evaluation\.own_samples\.tokens is 70; the model takes 70.*lower it"):
        check(70)


@pytest.mark.parametrize(("asked", "message"), [({"count": 1}, "count"), ({"tokens": 0}, "tokens"), ({"n": 3}, "n")])
def test_what_cannot_be_drawn_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        EvaluationRecipe(sets=SETS, own_samples=asked)
