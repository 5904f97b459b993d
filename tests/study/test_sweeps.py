"""The graph of a study whose learning rate is chosen by a sweep."""

import pytest

from winnow.errors import ArtifactError, RecipeError
from winnow.fingerprints import fingerprint_of
from winnow.records import Artifact, Cost, Stored
from winnow.store import write_json
from winnow.study.compared import compared
from winnow.study.graph import expand
from winnow.study.identity import check_identity, identity
from winnow.walk import wanted

PROBLEMS = {"licence": "MIT", "problems": {"examples": 50}}
SELECTION = {"arms": ["full", "random"], "controls": False}
GRID = {"learning_rate": [1e-3, 5e-4]}


@pytest.fixture
def sweep_graph(make_graph):
    """Makes the graph of a study of two arms and two seeds with a sweep of these keys."""

    def build(sweep=GRID, **sections):
        return make_graph(**({"selection": SELECTION, "study": {"seeds": [0, 4], "sweep": sweep}} | sections))

    return build


def fingerprints(graph, tmp_path):
    stored = {
        name: Stored(Artifact(name, stage.kind, name, name, {}, {}, Cost(), {}, {}), tmp_path)
        for name, stage in graph.stages.items()
    }
    return {
        name: fingerprint_of(stage, {role: stored[other] for role, other in stage.inputs.items()})
        for name, stage in graph.stages.items()
    }


def test_each_arm_tries_the_grid_on_its_own_rows_before_its_runs(sweep_graph):
    stages = sweep_graph(GRID | {"seed": 4, "budget_fraction": 0.5}).stages
    names = list(stages)
    for arm, selection in (("full", "select.full"), ("random_0.1", "select.random_0.1.s4")):
        sweep = stages[f"sweep.{arm}"]
        assert sweep.inputs == {f"trial.{rate}": f"trial.{arm}.{rate}" for rate in (0.001, 0.0005)}
        for rate in (0.001, 0.0005):
            trial = stages[f"trial.{arm}.{rate}"]
            assert trial.inputs == {"data": "pool", "selection": selection, "start": "base", "tokenizer": "base"}
            assert (trial.part.run.training.learning_rate, trial.part.run.seed) == (rate, 4)
            assert (trial.part.budget_fraction, trial.part.run.every_steps, trial.arm) == (0.5, 100, arm)
        for seed in (0, 4):
            run = stages[f"train.{arm}.s{seed}"]
            assert run.inputs["sweep"] == sweep.name and names.index(sweep.name) < names.index(run.name)


def test_one_sweep_on_the_baselines_rows_serves_the_whole_study(sweep_graph):
    stages = sweep_graph(GRID | {"per": "study"}).stages
    made = [stage for stage in stages.values() if stage.kind in ("trial", "sweep")]
    assert [stage.name for stage in made] == ["trial.full.0.001", "trial.full.0.0005", "sweep.full"]
    assert {stage.arm for stage in made} == {None}
    assert {stage.inputs["sweep"] for stage in stages.values() if stage.kind == "train" and stage.arm} == {"sweep.full"}


def test_trials_never_rest_on_evaluation_sets(sweep_graph):
    leaking = sweep_graph(evaluation={"sets": [PROBLEMS | {"name": "b"}], "best_by": "test"}).stages
    assert leaking["train.full.s0"].inputs["tests"] == "tests"
    trial = leaking["trial.full.0.001"]
    assert "tests" not in trial.inputs and trial.part.run.best_by == "validation"


def test_trials_are_judged_on_what_chooses_the_best_checkpoint(sweep_graph):
    pool = {"sources": [PROBLEMS | {"name": "a"}], "target": {"per_source": {"a": 5}}}
    assert sweep_graph(pool=pool).stages["trial.full.0.001"].part.run.best_by == "target"


def test_the_primary_comparison_says_which_checkpoint_of_a_trial_counts(sweep_graph):
    study = {"sweep": GRID, "primary": {"checkpoint": "last"}}
    assert sweep_graph(study=study).stages["sweep.full"].part.checkpoint == "last"
    assert sweep_graph().stages["sweep.full"].part.checkpoint == "best"


def test_a_sweep_changes_the_runs_and_nothing_before_them(sweep_graph, make_graph, tmp_path):
    swept = fingerprints(sweep_graph(), tmp_path)
    plain = fingerprints(make_graph(selection=SELECTION, study={"seeds": [0, 4]}), tmp_path)
    assert {name for name in plain if swept[name] != plain[name]} == {
        f"train.{arm}.s{seed}" for arm in ("full", "random_0.1") for seed in (0, 4)
    }


def test_how_often_a_trial_is_saved_is_not_asked(sweep_graph, tmp_path):
    often = sweep_graph(training={"checkpoint_every_seconds": 1.0})
    assert fingerprints(often, tmp_path) == fingerprints(sweep_graph(), tmp_path)


def test_a_longer_grid_leaves_the_trials_that_are_there(sweep_graph, tmp_path):
    old = fingerprints(sweep_graph(), tmp_path)
    new = fingerprints(sweep_graph({"learning_rate": [1e-3, 5e-4, 1e-4]}), tmp_path)
    assert {name for name in old if new[name] != old[name]} == {"sweep.full", "sweep.random_0.1"}


def test_one_arm_alone_needs_only_its_own_trials(sweep_graph):
    named = wanted(sweep_graph(), until=("train",), arm="full", seed=0)
    assert {name for name in named if name.startswith(("trial", "sweep"))} == {
        "trial.full.0.001", "trial.full.0.0005", "sweep.full",
    }  # fmt: skip


@pytest.mark.parametrize(("study", "message"), [
    ({"sweep": GRID | {"seed": 3}}, r"study\.sweep\.seed is 3; it must be one of study\.seeds \[0\]"),
    ({"sweep": {"learning_rate": [1e-3, 1e-3]}}, r"learning_rate is \[0\.001, 0\.001\]; give every rate once"),
    ({"sweep": {"learning_rate": [1e-3]}}, "at least 2"),
    ({"sweep": GRID | {"per": "study"}, "primary": {"baseline": "ful"}}, r"'ful' \(did you mean 'full'\?\); this"),
])  # fmt: skip
def test_sweeps_that_cannot_be_made_are_refused(make_graph, study, message):
    with pytest.raises(RecipeError, match=message):
        make_graph(selection=SELECTION, study=study)


def test_a_sweep_is_part_of_what_a_study_is(make_recipe, tmp_path):
    assert "sweep" not in identity(make_recipe())
    write_json(tmp_path / "study.json", {"identity": identity(make_recipe(study={"sweep": GRID})), "first_seed": 0})
    check_identity(make_recipe(study={"sweep": GRID, "seeds": [0, 1]}), tmp_path)
    with pytest.raises(ArtifactError, match=r"sweep\.budget_fraction \(0\.25 there, 0\.5 here\)"):
        check_identity(make_recipe(study={"sweep": GRID | {"budget_fraction": 0.5}}), tmp_path)


def test_selections_are_compared_without_trials(make_recipe, traits):
    recipe = make_recipe(study={"sweep": GRID | {"per": "study"}})
    graph = expand(compared(recipe, ["herding", "random"], [0.2], traits), traits)
    assert not [stage for stage in graph.stages.values() if stage.kind in ("trial", "sweep")]


def test_the_identity_of_an_older_study_knows_nothing_of_what_came_later(make_recipe):
    swept = {"learning_rate": [1e-4, 1e-3]}
    plain, extended = (
        identity(make_recipe(study={"sweep": swept | more}))["sweep"] for more in ({}, {"edge": "extend"})
    )
    assert set(plain) == {"learning_rate", "per", "choose", "budget_fraction", "seed"}
    assert extended == plain | {"edge": "extend"}
