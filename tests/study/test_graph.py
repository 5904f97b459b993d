import pytest

from winnow.errors import RecipeError
from winnow.fingerprints import fingerprint_of
from winnow.parts import asked
from winnow.recipe import ADDED, TrainingRecipe
from winnow.records import Artifact, Cost, Stored

PROBLEMS = {"licence": "MIT", "problems": {"examples": 50}}
FILE = {"licence": "MIT", "path": "a.jsonl", "format": "gsm8k"}
ARMS = ["full", "random", "herding", {"selector": "source_matched", "of": "herding"}]
SELECTION = {"arms": ARMS, "controls": False}
PRETRAIN = {
    "architecture": {"model_type": "gpt2", "n_layer": 1}, "budget": {"tokens": 1000},
    "sources": [{"name": "text", "licence": "MIT", "passages": {"documents": 9}}],
}  # fmt: skip
STAGES = [
    {"name": "first", "budget": {"examples": 5}, "sources": ["a"]},
    {"name": "second", "start": "first", "budget": {"examples": 5}, "seed": 7},
]


def fingerprints(graph, tmp_path):
    """Of all stages, as if every stage left what its name says."""
    stored = {
        name: Stored(Artifact(name, stage.kind, name, name, {}, {}, Cost(), {}, {}), tmp_path)
        for name, stage in graph.stages.items()
    }
    return {
        name: fingerprint_of(stage, {role: stored[other] for role, other in stage.inputs.items()})
        for name, stage in graph.stages.items()
    }


@pytest.fixture(params=["hub model", "pretrained", "files", "own stages", "one arm"])
def graph(request, make_graph):
    sections = {
        "hub model": {},
        "pretrained": {"base": {"pretrain": PRETRAIN}},
        "files": {"pool": {"sources": [FILE | {"name": "a"}]}, "evaluation": {"sets": [FILE | {"name": "b"}]}},
        "own stages": {"stages": STAGES, "training": {"start": "second"}},
        "one arm": {"selection": {"arms": ["full"], "controls": False}},
    }[request.param]
    return make_graph(**({"selection": SELECTION, "study": {"seeds": [0, 1]}} | sections))


def test_every_stage_follows_its_inputs(graph):
    met = set()
    for name, stage in graph.stages.items():
        assert name == stage.name
        assert set(stage.inputs.values()) <= met
        met.add(name)


def test_every_arm_and_seed_is_trained_and_evaluated(graph):
    for arm in graph.arms:
        for seed in (0, 1):
            run = graph.stages[f"train.{arm.name}.s{seed}"]
            evaluation = graph.stages[f"evaluate.{arm.name}.s{seed}"]
            assert (run.arm, run.seed, run.part.seed) == (arm.name, seed, seed)
            assert graph.stages[run.inputs["selection"]].arm == arm.name
            assert evaluation.inputs["run"] == run.name
    assert graph.stages["evaluate.zero_shot"].part.checkpoints == ("last",)


def selections(graph):
    return [name.removeprefix("select.") for name in graph.stages if name.startswith("select.")]


def test_deterministic_selections_are_shared_and_random_ones_are_not(make_graph):
    graph = make_graph(selection=SELECTION, study={"seeds": [0, 1]})
    assert sorted(selections(graph)) == [
        "full", "herding_0.1", "random_0.1.s0", "random_0.1.s1", "source_matched_herding_0.1.s0",
        "source_matched_herding_0.1.s1",
    ]  # fmt: skip
    assert graph.stages["select.herding_0.1"].part.seed is None
    assert graph.stages["select.random_0.1.s1"].part.seed == 1
    assert graph.stages["train.herding_0.1.s1"].inputs["selection"] == "select.herding_0.1"
    assert graph.stages["select.source_matched_herding_0.1.s1"].inputs["reference"] == "select.herding_0.1"


def test_resampling_the_pool_gives_every_seed_a_selection_of_its_own(make_graph):
    graph = make_graph(selection=SELECTION, study={"seeds": [0, 1], "resample_pool": 0.8})
    assert sorted(selections(graph)) == [
        "full", "herding_0.1.s0", "herding_0.1.s1", "random_0.1.s0", "random_0.1.s1",
        "source_matched_herding_0.1.s0", "source_matched_herding_0.1.s1",
    ]  # fmt: skip
    assert graph.stages["select.source_matched_herding_0.1.s1"].inputs["reference"] == "select.herding_0.1.s1"
    assert graph.stages["select.herding_0.1.s1"].part.resample == 0.8
    assert graph.stages["select.full"].part.resample == 1.0


def test_features_are_an_input_of_who_needs_them_and_audited_by_the_rest(make_graph):
    stages = make_graph(selection=SELECTION).stages
    assert stages["select.herding_0.1"].inputs == {"pool": "pool", "vectors": "represent.hidden_states"}
    assert stages["select.random_0.1.s0"].inputs == {"pool": "pool", "audit": "represent.hidden_states"}
    plain = make_graph(selection={"arms": ["random"], "controls": False}).stages
    assert "represent.hidden_states" not in plain
    assert plain["select.random_0.1.s0"].inputs == {"pool": "pool"}


def test_a_base_model_is_pretrained_or_given(make_graph):
    made, given = make_graph(base={"pretrain": PRETRAIN}).stages, make_graph().stages
    assert made["base"].inputs == {"data": "corpus", "tokenizer": "tokenizer"}
    assert made["corpus"].inputs == {"tests": "tests", "generated.text": "generated.text"}
    assert made["pool"].inputs["tokenizer"] == "tokenizer"
    assert (given["base"].kind, given["base"].inputs, given["pool"].inputs["tokenizer"]) == ("model", {}, "base")
    assert "tokenizer" not in given


def test_stages_form_a_chain_that_the_arms_start_from(make_graph):
    stages = make_graph(stages=STAGES, training={"start": "second"}).stages
    assert stages["first"].inputs == {"data": "pool", "start": "base", "tokenizer": "base"}
    assert (stages["first"].part.sources, stages["second"].part.seed) == (("a",), 7)
    assert stages["second"].inputs["start"] == "first"
    assert stages["train.full.s0"].inputs["start"] == "second"
    assert stages["evaluate.zero_shot"].inputs["run"] == "second"


@pytest.mark.parametrize(("sections", "message"), [
    ({"training": {"start": "frist"}, "stages": STAGES}, r"'frist' \(did you mean 'first'\?\); known stages: base"),
    ({"stages": STAGES[::-1]}, "stage 'second' starts from 'first'; before it stand base"),
    ({"stages": [STAGES[0], STAGES[0]]}, "two stages are named 'first'; give the one in `stages:` another name"),
    ({"stages": [STAGES[0] | {"name": "pool"}]}, "two stages are named 'pool'"),
    ({"stages": [STAGES[0] | {"name": "base"}]}, "two stages are named 'base'"),
    ({"pool": {"sources": [PROBLEMS | {"name": "a"}] * 2}}, "two generated sources are named 'a'"),
])  # fmt: skip
def test_contradictions_are_refused(make_graph, sections, message):
    with pytest.raises(RecipeError, match=message):
        make_graph(**sections)


def test_choosing_the_best_checkpoint_by_tests_makes_them_an_input(make_graph):
    leaking = make_graph(evaluation={"sets": [PROBLEMS | {"name": "b"}], "best_by": "test"}).stages["train.full.s0"]
    assert (leaking.inputs["tests"], leaking.part.best_by) == ("tests", "test")
    assert "tests" not in make_graph().stages["train.full.s0"].inputs


TARGET = {"sources": [PROBLEMS | {"name": "a"}], "target": {"per_source": {"a": 5}}}


@pytest.mark.parametrize(("pool", "asked", "expected"), [
    (TARGET, {}, "target"), (TARGET, {"best_by": "validation"}, "validation"), (TARGET, {"best_by": "test"}, "test"),
    (TARGET, {"best_by": "target"}, "target"), ({"sources": TARGET["sources"]}, {}, "validation"),
])  # fmt: skip
def test_the_target_chooses_the_best_checkpoint_unless_the_recipe_says_otherwise(make_graph, pool, asked, expected):
    """The pool holds out examples of its kind only then, so that all other recipes ask what they asked."""
    stages = make_graph(pool=pool, evaluation={"sets": [PROBLEMS | {"name": "b"}], **asked}).stages
    assert stages["train.full.s0"].part.best_by == expected
    assert stages["pool"].part.validates_target == (expected == "target")


def test_no_target_is_none_to_choose_by(make_graph):
    with pytest.raises(RecipeError, match="best_by is target, but the pool has none; give pool.target, or say"):
        make_graph(evaluation={"sets": [PROBLEMS | {"name": "b"}], "best_by": "target"})


def test_generated_sources_are_inputs_of_their_readers(make_graph):
    target = {"source": PROBLEMS | {"name": "own"}}
    stages = make_graph(
        pool={"sources": [PROBLEMS | {"name": "a"}], "target": target}, evaluation={"sets": [PROBLEMS | {"name": "b"}]}
    ).stages
    assert {"generated.a", "generated.b", "generated.own"} < stages.keys()
    assert set(stages["pool"].inputs) == {"tests", "tokenizer", "generated.a", "generated.own"}
    assert set(stages["tests"].inputs) == {"generated.b"}


def test_how_often_a_run_is_saved_is_not_asked(make_graph, tmp_path):
    saving = {"checkpoint_every_seconds": 1.0}
    often = make_graph(training=saving, stages=[STAGES[0] | {"training": saving}])
    seldom = make_graph(stages=[STAGES[0] | {"training": {}}])
    assert fingerprints(often, tmp_path) == fingerprints(seldom, tmp_path)
    pretrain = (
        make_graph(base={"pretrain": PRETRAIN | {"training": saving}}),
        make_graph(base={"pretrain": PRETRAIN | {"training": {}}}),
    )
    assert len({fingerprints(graph, tmp_path)["base"] for graph in pretrain}) == 1


def test_fields_that_came_later_are_asked_where_they_are_given(make_graph):
    later = {name for name, field in TrainingRecipe.model_fields.items() if ADDED in field.metadata}
    plain = asked(make_graph().stages["train.full.s0"].part)["training"]
    packed = asked(make_graph(training={"packing": True}).stages["train.full.s0"].part)["training"]
    assert "packing" in later and not later & plain.keys()
    assert packed == plain | {"packing": True}


def test_more_arms_seeds_and_sets_leave_the_old_stages_as_they_are(make_graph, tmp_path):
    old = fingerprints(make_graph(selection=SELECTION), tmp_path)
    new = fingerprints(make_graph(selection=SELECTION | {"fractions": [0.1, 0.2]}, study={"seeds": [0, 5]}), tmp_path)
    assert new.items() > old.items()


@pytest.mark.parametrize(("sections", "changed"), [
    ({"training": {"learning_rate": 1e-3}}, "train.full.s0"),
    ({"budget": {"tokens": 7}}, "train.full.s0"),
    ({"selection": SELECTION | {"representations": {"hidden_states": {"dimensions": 5}}}}, "represent.hidden_states"),
    ({"evaluation": {"sets": [PROBLEMS | {"name": "b"}]}}, "tests"),
    ({"study": {"resample_pool": 0.5}}, "select.random_0.1.s0"),
])  # fmt: skip
def test_what_changes_the_result_is_asked(make_graph, tmp_path, sections, changed):
    old = fingerprints(make_graph(selection=SELECTION), tmp_path)
    new = fingerprints(make_graph(**({"selection": SELECTION} | sections)), tmp_path)
    assert old[changed] != new[changed]
    assert old["base"] == new["base"]


def test_speed_and_price_are_asked_only_where_they_say_what_a_run_may_spend(make_graph):
    machine = {"flops_per_second": 1e9, "dollars_per_hour": 2.0}
    parts = {
        unit: make_graph(budget={unit: 5}, machine=machine).stages["train.full.s0"].part
        for unit in ("pool_epochs", "examples", "tokens", "flops", "seconds", "dollars")
    }
    assert {unit for unit, part in parts.items() if part.flops_per_second} == {"seconds", "dollars"}
    assert {unit for unit, part in parts.items() if part.dollars_per_hour} == {"dollars"}
    assert {unit for unit, part in parts.items() if part.charge_selection} == {"flops", "seconds", "dollars"}


def test_training_for_what_a_selector_sees_is_an_input_of_its_selection_once(make_graph):
    first, second = ({"name": name, "budget": {"tokens": 5}, "start": start}
                     for name, start in (("first", "base"), ("second", "first")))  # fmt: skip
    seen = {"loss": {"model": "second"}, "hidden_states": {"model": "first"}}
    selection = {"arms": ["score_gated_herding", "random"], "controls": False, "representations": seen}
    stages = make_graph(stages=[first, second], selection=selection).stages
    warm_ups = {role: at for role, at in stages["select.score_gated_herding_0.1"].inputs.items() if "warm_up" in role}
    assert warm_ups == {"warm_up.first": "first", "warm_up.second": "second"}
    assert not any("warm_up" in role for role in stages["select.random_0.1.s0"].inputs)
    shared = make_graph(stages=[first, second], selection=selection, training={"start": "first"}).stages
    assert "warm_up.first" not in shared["select.score_gated_herding_0.1"].inputs
