"""A whole study of plain text: plan, run, what its records say, and runs that are killed or shared by processes."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from text_support import PASSAGES, text_recipe, text_tree
from winnow import pipeline
from winnow.analysis.levels import Question, items, levels
from winnow.analysis.study_folder import load
from winnow.errors import ArtifactError, RecipeError
from winnow.pipeline import expand, run, selector_traits
from winnow.recipe.file import parse_recipe
from winnow.records import Context, Silent
from winnow.store import Store, hash_tree
from winnow.training import launching
from winnow.training.stages import train_model
from winnow.verbs.plan import plan
from winnow.walk import ProbeMaker


@pytest.fixture(scope="module")
def folder(run_once):
    return run_once("mixing", text_recipe())


@pytest.fixture(scope="module")
def study(folder):
    return load(folder)


def stored(folder, name):
    stages = json.loads((folder / "records" / "stages.json").read_text())
    entry = next(each for each in stages if each["name"] == name)
    return Store(folder.parent / ".store").find(entry["kind"], entry["fingerprint"]), entry


def test_the_stages_are_those_of_text_and_none_selects(study):
    kinds = {stage.artifact.kind for stage in study.stages.values()}
    assert {"documents", "tokens", "text_pool", "mixture", "untrained", "train", "evaluate"} <= kinds
    assert not {"select", "represent", "pool"} & kinds
    inputs = study.stages["train.equal.s0"].inputs_by_name
    assert set(inputs) == {"mixture", "tokenizer", *(f"tokens.{name}" for name in PASSAGES)}


def test_runs_say_what_they_read_of_each_source(folder):
    records = json.loads((folder / "training_records.notes.json").read_text())
    shares = {row["source"]: row["realised_share"] for row in records["mixture"]["sources"]}
    rows = records["plan"]["visits"]
    assert rows % 4 == 0 and records["plan"]["tokens"] == 32 * rows
    for name, share in {"books": 0.0, "web": 0.4, "notes": 0.6}.items():
        assert abs(shares[name] - share) * rows < 1


def test_validation_on_the_way_is_the_mean_over_sources(folder):
    records = json.loads((folder / "training_records.equal.json").read_text())
    for each in records["evaluations"]:
        losses = [each["sets"][name]["loss"] for name in PASSAGES]
        assert each["validation"]["loss"] == pytest.approx(np.mean(losses))
    assert records["evaluations"][-1]["validation"]["loss"] < records["evaluations"][0]["validation"]["loss"]


def test_averages_count_every_set_alike_and_the_verdict_is_on_the_one_that_was_declared(folder, study):
    record = json.loads((folder / "records" / "evaluation.notes_best.json").read_text())
    losses = [record["sets"][name]["loss"] for name in PASSAGES]
    assert record["aggregates"]["in_domain"]["loss"] == pytest.approx(np.mean(losses))
    bits = record["sets"]["others"]["measured"]["bits_per_byte"]["level"]
    assert record["aggregates"]["out_of_domain"]["measured"]["bits_per_byte"] == pytest.approx(bits)
    question = Question("bits_per_byte", "out_of_domain")
    assert levels(study, "notes", question)[0] == pytest.approx(bits)
    found = pipeline.report(folder).verdict
    gain = np.mean([levels(study, "equal", question)[seed] - levels(study, "notes", question)[seed] for seed in (0, 1)])
    assert found.primary.gain.mean == pytest.approx(gain) and "out_of_domain" in found.sentence
    assert found.primary.num_items == record["sets"]["others"]["items"]


@pytest.mark.parametrize("metric", ["loss", "bits_per_byte"])
def test_a_level_of_an_average_follows_from_its_items(study, metric):
    question = Question(metric, "in_domain")
    scores = items(study, "equal", question)[0]
    own = [scores.of_set(name) for name in PASSAGES]
    assert sum(len(each.ids) for each in own) == len(scores.ids)
    level = np.mean([each.sums.sum() / each.weights.sum() for each in own])
    assert levels(study, "equal", question)[0] == pytest.approx(level)


def test_what_is_held_out_is_in_no_row(folder):
    for name in PASSAGES:
        documents = stored(folder, f"documents.{name}")[0]
        ids = pq.read_table(documents.folder / "documents.parquet")["id"].to_pylist()
        tokens, _ = stored(folder, f"tokens.{name}")
        held_out = pq.read_table(tokens.folder / "validation.parquet")["id"].to_pylist()
        assert held_out == ids[: len(held_out)]
        assert tokens.numbers["documents"] + len(held_out) == len(ids)


def test_a_plan_says_what_the_run_then_does(folder):
    planned = {arm.name: arm for arm in plan(text_recipe(), out=folder).arms}
    records = json.loads((folder / "training_records.equal.json").read_text())
    assert (planned["equal"].steps, planned["equal"].tokens) == (records["plan"]["steps"], records["plan"]["tokens"])
    assert planned["equal"].exaflops * 1e18 == pytest.approx(records["plan"]["flops"])


def test_arms_of_a_seed_start_from_the_same_weights_and_other_seeds_from_others(folder):
    first = [
        json.loads((folder / f"training_records.{name}.json").read_text())["evaluations"][0]["validation"]["loss"]
        for name in ("equal", "notes", "equal_s1", "notes_s1")
    ]
    assert first[0] == first[1] != first[2] == first[3]


# ------------------------------------------------------------------------------------------------ killed and shared


class Killed(Exception):
    pass


class KilledAt:
    def __init__(self, step):
        self.step = step

    def update(self, done, total, note=""):
        if done == self.step:
            raise Killed


def trained(folder, tmp_path, name="train.notes.s1", progress=None, **part):
    """The digests of what a run leaves, made again in a folder of its own."""
    _, entry = stored(folder, name)
    inputs = {role: stored(folder, at)[0] for role, at in entry["inputs_by_name"].items()}
    stage = expand(text_recipe(), selector_traits()).stages[name]
    asked = stage.part.model_copy(update=part)
    tmp_path.mkdir(exist_ok=True)
    probe = ProbeMaker(text_recipe().evaluation, inputs, stored(folder, "tests")[0], 32)
    outcome = train_model(asked, inputs, Context(tmp_path, progress or Silent(), probe))
    return hash_tree(tmp_path, outcome.outputs)


@pytest.mark.parametrize("step", [1, 6, 14])
def test_a_run_that_is_killed_comes_to_the_same_bits(folder, tmp_path, step):
    saved = {"checkpoint_every_seconds": 0.0}
    training = text_recipe().training.model_copy(update=saved)
    with pytest.raises(Killed):
        trained(folder, tmp_path / "run", progress=KilledAt(step), training=training)
    again = trained(folder, tmp_path / "run", training=training)
    whole, _ = stored(folder, "train.notes.s1")
    assert again == {name: digest for name, digest in whole.artifact.files.items() if name in again}


def test_two_processes_train_what_one_does(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "START_METHOD", "fork")
    precise = text_recipe().training.model_copy(update={"precision": "float64", "per_device_batch_size": 2})
    for devices in (1, 2):
        trained(folder, tmp_path / str(devices), training=precise, devices=devices)
    one, two = (load_file(tmp_path / str(each) / "last" / "model.safetensors") for each in (1, 2))
    assert all(torch.allclose(one[key].double(), two[key].double(), rtol=0, atol=1e-9) for key in one)


@pytest.mark.long
def test_workers_side_by_side_make_the_same_study(folder, tmp_path):
    from winnow.verbs import workers

    recipe = text_recipe()
    with workers.helpers(recipe, count=1, out=tmp_path / "mixing", store=None, arm=None, seed=None) as start:
        start()
        run(recipe, out=tmp_path / "mixing")
    names = [stage["name"] for stage in json.loads((folder / "records" / "stages.json").read_text())]
    for name in names:
        if name.startswith(("train.", "tokens.", "documents.", "mixture.")):
            assert stored(tmp_path / "mixing", name)[0].artifact.digest == stored(folder, name)[0].artifact.digest


def test_tokens_cut_short_are_named_and_made_again(folder, tmp_path):
    shutil.copytree(folder.parent / ".store", tmp_path / ".store")
    shutil.copytree(folder, tmp_path / "mixing")
    tokens, _ = stored(tmp_path / "mixing", "tokens.web")
    os.truncate(tokens.folder / "tokens.bin", 100)
    with pytest.raises(ArtifactError, match=r"tokens\.bin is damaged"):
        run(text_recipe(), out=tmp_path / "mixing")
    shutil.rmtree(tokens.folder)
    run(text_recipe(), out=tmp_path / "mixing")
    assert stored(tmp_path / "mixing", "tokens.web")[0].artifact.digest == tokens.artifact.digest


# --------------------------------------------------------------------------------------------------------- recipes


def refused(**others):
    with pytest.raises(RecipeError) as error:
        pipeline.checked(parse_recipe(text_tree(**others)))
    return error.value.mistakes


def with_pool(**others):
    return {"pool": text_tree()["pool"] | others}


SUMS = {"name": "x", "licence": "x", "problems": {"examples": 3}}
MISTAKES = {
    "selection": ({"selection": {"arms": ["random"]}}, "selection chooses among examples"),
    "source": ({"mixture": {"bookz": 1.0}, "vary": {}}, "did you mean 'books'"),
    "level": ({"vary": {"mixture": {"a": {"mixture": {"books": 0.7}}, "b": {"mixture": "equal"}}}}, "sum to 0.7"),
    "mixer": ({"mixture": "uniform", "vary": {}}, "unknown mixer 'uniform'"),
    "adapter": ({"training": {"objective": "pretraining"}}, "a model from scratch trains all weights"),
    "objective": ({"training": {"method": "full"}}, "trains on a pool; here is a corpus"),
    "budget": ({"budget": {"tokens": 10}}, "less than one row of 32 tokens"),
    "names": ({"evaluation": {"text": [text_tree()["pool"]["sources"][0]]}}, "are named 'books'"),
    "text-set": ({"evaluation": {"text": [SUMS]}}, "holds examples"),
    "max-tokens": (with_pool(max_tokens=99), "pool.max_tokens is for examples"),
    "mixed": (with_pool(sources=[text_tree()["pool"]["sources"][0], SUMS]), "source 'x' examples"),
    "no-text": (with_pool(text=None), "say how it becomes rows with pool.text"),
    "aggregate": ({"study": {"primary": {"arm": "notes", "baseline": "equal", "aggregate": "in_domian"}}}, "in_domain"),
    "two-origins": ({"base": text_tree()["base"] | {"model": "x"}}, "exactly one of model, pretrain and from_scratch"),
}  # fmt: skip


@pytest.mark.parametrize("others, told", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_study_of_text_is_one_line(others, told):
    found = refused(**others)
    assert any(told in line for line in found), found
    assert all("\n" not in line for line in found)


def test_a_study_of_examples_has_nothing_of_text():
    from tests_support import SMALLEST
    from winnow.recipe.file import load_recipe

    for setting, told in [
        ("pool.text={context_tokens: 32}", "pool.text is for plain text"),
        ("evaluation.text=[]", "evaluation.text is for plain text"),
        ("pool.sources.0.limit_tokens=5", "limit_tokens, which is for plain text"),
    ]:
        with pytest.raises(RecipeError, match=told):
            pipeline.checked(load_recipe(Path(SMALLEST), [setting]))


# --------------------------------------------------------------------------------------------------- learned shares

PROXIES = {"proxies": {"tokens_fraction": 0.2}}
LEARNED = {"equal": {"mixture": "equal"}, "notes": {"mixture": {"name": "mixmin", "options": PROXIES}}}


@pytest.fixture(scope="module")
def learned(run_once):
    return run_once("learned", text_recipe(vary={"mixture": LEARNED}))


def test_no_stage_that_shares_are_learned_from_rests_on_an_evaluation_set(learned):
    stages = load(learned).stages
    below = ["mixture.notes"]
    for name in below:
        below += [at for at in stages[name].inputs_by_name.values() if at not in below]
    assert {stages[name].artifact.kind for name in below} == {
        "mixture", "reading", "proxy", "tokens", "documents", "tokenizer", "tests", "generate"
    }  # fmt: skip
    kinds = {stages[name].artifact.kind for name in below if "tests" in stages[name].inputs_by_name.values()}
    assert kinds == {"documents"}  # which leaves out what stands in evaluation sets, and nothing else


def test_proxies_are_charged_to_the_arm_that_learns_from_them(learned):
    tables = pipeline.report(learned).tables
    rows = {row["arm"]: row for row in tables["mixture_sweep"].rows}
    own = [stage.artifact for stage in load(learned).stages.values() if stage.artifact.kind == "proxy"]
    assert len(own) == len(PASSAGES)
    extra = 2 * (rows["notes"]["charged_exaflops"] - rows["notes"]["exaflops"]) * 1e18
    reading = extra - sum(each.costs["train"].flops for each in own)
    assert reading > 0  # what scoring them took
    assert rows["equal"]["charged_exaflops"] == pytest.approx(rows["equal"]["exaflops"])
    assert {row["proxy"] for row in tables["proxies"].rows} == {f"alone_{name}" for name in PASSAGES}
    (predicted,) = tables["predicted_realised"].rows
    assert predicted["realised_gain"] is not None and predicted["predicted_gain_low"] <= predicted["predicted_gain"]


def test_a_proxy_trains_on_its_fraction_of_tokens_and_of_each_source(learned):
    proxy, _ = stored(learned, "proxy.notes.alone_web")
    run_records = json.loads((learned / "training_records.notes.json").read_text())
    records = json.loads((proxy.folder / "training_records.json").read_text())
    assert 0 <= 0.2 * run_records["plan"]["tokens"] - records["plan"]["tokens"] + 32 * 4 < 2 * 32 * 4
    by_source = {row["source"]: row for row in records["mixture"]["sources"]}
    whole = {row["source"]: row["unique_tokens"] for row in run_records["mixture"]["sources"]}
    assert set(by_source) == {"web"}
    assert 0.2 <= by_source["web"]["unique_tokens"] / whole["web"] < 0.25


@pytest.fixture(scope="module")
def paid(run_once):
    """A study whose arms have a budget in FLOPs, and its recipe."""
    capped = {"name": "unimax", "options": {"max_epochs": 0.75}}
    recipe = text_recipe(
        vary={"mixture": LEARNED | {"capped": {"mixture": capped}}}, budget={"flops": 2e8},
        study=text_tree()["study"] | {"seeds": [0]},
    )  # fmt: skip
    return run_once("paid", recipe), recipe


def test_a_budget_in_flops_pays_for_the_proxies_too(paid):
    folder, recipe = paid
    plans = {
        name: json.loads((folder / f"training_records.{name}.json").read_text())["plan"] for name in ("equal", "notes")
    }
    row = plans["equal"]["flops"] / plans["equal"]["visits"]
    assert 0 <= 2e8 - plans["equal"]["flops"] < 4 * row
    charged = stored(folder, "mixture.notes")[0].numbers["charged_flops"]
    assert 0.5 * 2e8 < charged < 2e8 and 0 <= 2e8 - charged - plans["notes"]["flops"] < 4 * row
    proxies = [stored(folder, f"proxy.notes.alone_{name}")[0].numbers["tokens"] for name in PASSAGES]
    assert all(abs(each - 0.2 * 2e8 / row * 32) < 4 * 32 for each in proxies)
    planned = {arm.name: arm for arm in plan(recipe, out=folder).arms}
    assert planned["equal"].tokens == plans["equal"]["tokens"]
    assert planned["notes"].steps >= plans["notes"]["steps"]  # which pays for what scoring the proxies takes, too


def test_caps_hold_for_the_tokens_that_flops_buy(paid):
    folder, _ = paid
    records = json.loads((folder / "training_records.capped.json").read_text())
    assert stored(folder, "row_cost.capped")[0].numbers["row_flops"] == pytest.approx(
        records["plan"]["flops"] / records["plan"]["visits"]
    )
    by_source = {row["source"]: row for row in records["mixture"]["sources"]}
    assert max(row["epochs"] for row in by_source.values()) < 0.75 + 32 / min(
        row["unique_tokens"] for row in by_source.values()
    )
    assert len({round(row["realised_share"], 2) for row in by_source.values()}) > 1  # the cap was met


def test_shares_may_be_learned_for_a_target_and_never_for_what_judges_them(tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("\n".join(json.dumps({"text": f"A note on {number} rivers and stones."}) for number in range(40)))
    target = {"name": "aim", "licence": "x", "format": "text", "path": str(texts)}
    options = PROXIES | {"target": target, "goal": {"aim": 1.0}}
    vary = {"mixture": LEARNED | {"notes": {"mixture": {"name": "mixmin", "options": options}}}}
    stages = expand(text_recipe(vary=vary), selector_traits()).stages
    assert stages["reading.notes.alone_web"].inputs["target"] == "target.notes"
    assert "tests" not in stages["reading.notes.alone_web"].inputs.values()
    found = refused(vary=vary, evaluation={"text": [target | {"name": "other"}]})
    assert any("target is the evaluation set 'other'" in line for line in found), found
    limited = {"name": "mixmin", "options": options | {"target": target | {"limit_tokens": 9}}}
    found = refused(vary={"mixture": LEARNED | {"notes": {"mixture": limited}}})
    assert any("target 'aim' has limit_tokens" in line for line in found), found
    found = refused(evaluation={"text": [target | {"limit_tokens": 9}]})
    assert any("evaluation.text 'aim' has limit_tokens" in line for line in found), found


def test_what_judges_shares_is_taken_out_of_what_they_are_learned_for(tmp_path):
    """By its content, whatever its file is called."""
    judge = [f"The {number} stones of the river were counted by the old miller of the valley." for number in range(9)]
    others = [
        f"A note on {number} birds above the harbour, and on what the fishermen said of it." for number in range(30)
    ]
    for name, texts in (("judge", judge), ("aim", [*others, *judge])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    aim, judges = ({"name": name, "licence": "x", "format": "text", "path": str(tmp_path / f"{name}.jsonl")}
                   for name in ("aim", "judge"))  # fmt: skip
    vary = {"mixture": LEARNED | {"notes": {"mixture": {"name": "mixmin", "options": PROXIES | {"target": aim}}}}}
    recipe = text_recipe(
        vary=vary, evaluation=text_tree()["evaluation"] | {"text": [judges]},
        study=text_tree()["study"] | {"seeds": [0], "controls": False},
    )  # fmt: skip
    run(recipe, out=tmp_path / "mixing", arm="notes")
    kept = stored(tmp_path / "mixing", "target.notes")[0]
    texts = pq.read_table(kept.folder / "documents.parquet")["text"].to_pylist()
    assert sorted(texts) == sorted(others) and kept.numbers["overlaps"] == len(judge)
    fit = json.loads((stored(tmp_path / "mixing", "mixture.notes")[0].folder / "fit.json").read_text())
    assert fit["learned"]["goal"] == {"aim": 1.0}
