import dataclasses
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from toys import (
    ARCHITECTURE,
    VOCABULARY,
    store_artifact,
    store_tokenizer,
    token_table,
    toy_examples,
    toy_model,
    toy_tokenizer,
)

from winnow.errors import BudgetError, RecipeError
from winnow.models import loading
from winnow.parts import ModelPart, TrainPart
from winnow.recipe import BudgetRecipe, EvaluationRecipe, LoraRecipe, ProblemsRecipe, SourceRecipe, TrainingRecipe
from winnow.records import Context, Cost, Silent
from winnow.store import read_json, write_json
from winnow.training import launching
from winnow.training.calibration import measure_speed
from winnow.training.pointing import point_at_model
from winnow.training.stages import train_model
from winnow.walk import ProbeMaker

SET = SourceRecipe(name="easy", licence="CC0-1.0", problems=ProblemsRecipe(examples=5))
FULL = TrainingRecipe(method="full", per_device_batch_size=4, learning_rate=1e-3)
LORA = TrainingRecipe(per_device_batch_size=4, lora=LoraRecipe(r=2), learning_rate=1e-2)
POINT = ["executed_flops", "flops", "padded_tokens", "seconds", "tokens", "visits"]


@pytest.fixture
def inputs(tmp_path):
    """A pool of twelve examples of two sources, a tokenizer, a base model and a selection of five."""
    pool = store_artifact(tmp_path, "pool", "pool", {"examples": 12})
    table = token_table([*toy_examples(8), *toy_examples(4, source="more")])
    pq.write_table(table, pool.folder / "train.parquet")
    base = store_artifact(tmp_path, "model", "base", {"model": "some/base"})
    loading.save_model(toy_model(), base.folder / "last", toy_tokenizer(), None)
    selection = store_artifact(tmp_path, "select", "five", {"charged_flops": 3e7})
    write_selection(selection, table["id"].to_pylist()[:5])
    return {"data": pool, "tokenizer": store_tokenizer(tmp_path), "start": base, "selection": selection}


def write_selection(stored, ids):
    pq.write_table(pa.table({"id": ids, "rank": range(len(ids))}), stored.folder / "selection.parquet")


def part_of(training=LORA, *, budget=None, **others):
    budget = BudgetRecipe(**(budget or {"examples": 20}))
    usual = {"objective": "sft", "global_batch_size": 8, "leaves": "adapter"}
    return TrainPart(**usual | {"training": training, "budget": budget} | others)


def constant_probe(model):
    scores = {"loss": 2.0, "exact_match": 0.5}
    sets = {"sums": {**scores, "items": 1, "target_tokens": 3}}
    cost = Cost(flops=1.0, tokens=1, seconds=0.1)
    return {"validation": {"loss": 1.0, "items": 2}, "sets": sets, "micro": scores, "macro": scores, "cost": cost}


@pytest.fixture
def train(tmp_path, inputs):
    """Run the stage on some of the inputs; gives the stored run, its outcome and its records."""

    def run(part, roles=("data", "tokenizer", "start", "selection"), name="run", progress=None):
        stored = store_artifact(tmp_path, "train", name)
        context = Context(stored.folder, progress or Silent(), lambda model: constant_probe)
        outcome = train_model(part, {role: inputs[role] for role in roles}, context)
        return stored, outcome, read_json(stored.folder / "training_records.json")

    return run


def test_an_arm_leaves_adapters_and_records_as_the_contract_says(train):
    stored, outcome, records = train(part_of(every_steps=2, seed=4))
    assert set(records) | {"arm"} == {
        "arm", "seed", "objective", "training", "global_batch_size", "mask", "plan", "parameters", "checkpoint_bytes",
        "steps", "evaluations", "best", "last", "costs", "wasted", "peak_memory_bytes",
    }  # fmt: skip
    assert set(records["plan"]) == {"examples", "visits", "steps", "epochs", "tokens", "flops"}
    assert (
        records["plan"]["examples"] == 5
        and records["plan"]["visits"] == 20
        and records["last"] == {"step": 3, "visits": 20}
    )
    assert all(sorted(set(at) - {"step", "loss", "learning_rate"}) == POINT for at in records["steps"])
    assert [at["step"] for at in records["evaluations"]] == [0, 2, 3]
    assert {"validation", "sets", "micro", "macro", "evaluation_seconds", *POINT} < set(records["evaluations"][0])
    assert records["best"] == {"step": 0, "value": 1.0, "by": "validation"}
    weights = stored.folder / "last" / "adapter_model.safetensors"
    assert records["checkpoint_bytes"] == weights.stat().st_size and records["seed"] == 4
    assert 0 < records["parameters"]["trainable"] < records["parameters"]["total"]
    assert outcome.outputs == ("best", "last") and outcome.costs["train"].tokens == records["plan"]["tokens"]
    files = sorted(path.name for path in stored.folder.iterdir())
    assert files == ["best", "last", "record.json", "start.json", "training_records.json"]
    assert read_json(stored.folder / "last" / "adapter_config.json")["base_model_name_or_path"] == "some/base"
    assert loading.load_model(stored, "best").config.vocab_size == VOCABULARY


@pytest.mark.parametrize("training", [FULL, LORA])
def test_a_stage_leaves_a_whole_model_that_others_can_start_from(train, inputs, training):
    stored, outcome, records = train(part_of(training, leaves="model"), roles=("data", "tokenizer", "start"))
    assert (stored.folder / "last" / "config.json").is_file() and outcome.outputs == ("last",)
    assert records["plan"]["examples"] == 12 and records["best"] is None and records["evaluations"] == []
    before, after = loading.load_model(inputs["start"]), loading.load_model(stored)
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def test_method_none_leaves_the_start_as_it_is(train, inputs):
    """Its files under second names, evaluated once, at no cost of training, in records of the usual shape."""
    _, _, usual = train(part_of(every_steps=2), name="usual")
    stored, outcome, records = train(part_of(TrainingRecipe(method="none"), every_steps=2))
    start = inputs["start"].folder / "last" / "model.safetensors"
    for checkpoint in ("best", "last"):
        assert (stored.folder / checkpoint / "model.safetensors").samefile(start)
    files = sorted(path.name for path in stored.folder.iterdir())
    assert files == ["best", "last", "record.json", "start.json", "training_records.json"]
    assert records.keys() == usual.keys() and records["plan"].keys() == usual["plan"].keys()
    assert records["plan"] == {"examples": 5, "visits": 0, "steps": 0, "epochs": 0.0, "tokens": 0, "flops": 0.0}
    assert [at["step"] for at in records["evaluations"]] == [0] and records["steps"] == []
    assert records["best"]["step"] == 0 and records["parameters"]["trainable"] == 0
    assert outcome.costs["train"] == Cost() and outcome.costs["evaluate"].flops == 1.0
    assert outcome.numbers["steps"] == outcome.numbers["best_step"] == 0 and outcome.numbers["loss"] is None


def test_method_none_of_a_model_elsewhere_is_a_copy(train, inputs, tmp_path):
    loading.save_model(toy_model(seed=5), tmp_path / "given", toy_tokenizer(), None)
    given = store_artifact(tmp_path, "model", "given", {"model": "given"})
    write_json(given.folder / "model.json", {"model": str(tmp_path / "given"), "revision": None})
    inputs["start"] = given
    stored, _, _ = train(part_of(TrainingRecipe(method="none")))
    copied, source = stored.folder / "last" / "model.safetensors", tmp_path / "given" / "model.safetensors"
    weights = load_file(copied)
    assert all(torch.equal(weights[name], weight) for name, weight in load_file(source).items())
    assert not copied.samefile(source)


def test_sources_restrict_a_stage(train):
    _, _, records = train(part_of(FULL, sources=("more",)), roles=("data", "tokenizer", "start"))
    assert records["plan"]["examples"] == 4


def test_pretraining_packs_documents_and_builds_the_model(train, inputs):
    text = pa.table({"text": ["Tom has 12 eggs. " * 4] * 10})
    pq.write_table(text, inputs["data"].folder / "documents.parquet")
    part = part_of(FULL, objective="pretraining", architecture=ARCHITECTURE, context_tokens=32)
    stored, _, records = train(part, roles=("data", "tokenizer"))
    assert records["plan"]["tokens"] == 20 * 32 and records["objective"] == "pretraining"
    assert loading.load_model(stored).config.n_embd == 32
    assert not (stored.folder / "start.json").exists()
    with pytest.raises(RecipeError, match="gpt2 has no n_layers .did you mean 'n_layer'"):
        train(part.model_copy(update={"architecture": ARCHITECTURE | {"n_layers": 3}}), roles=("data", "tokenizer"))


def test_the_order_of_a_selection_does_not_change_the_run(train, inputs):
    first = train(part_of(), name="first")[0]
    ids = pq.read_table(inputs["selection"].folder / "selection.parquet")["id"].to_pylist()
    write_selection(inputs["selection"], ids[::-1])
    second = train(part_of(), name="second")[0]
    weights = [stored.folder / "last" / "adapter_model.safetensors" for stored in (first, second)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.slow
def test_a_killed_stage_goes_on_to_the_same_files(train):
    class Kill:
        def update(self, done, total, note=""):
            if done == 2:
                raise KeyboardInterrupt

    training = LORA.model_copy(update={"checkpoint_every_seconds": 0.0})
    whole = train(part_of(training, every_steps=1), name="whole")[0]
    with pytest.raises(KeyboardInterrupt):
        train(part_of(training, every_steps=1), name="killed", progress=Kill())
    killed = train(part_of(training, every_steps=1), name="killed")[0]
    for name in ("best", "last"):
        for path in (whole.folder / name).iterdir():
            assert (killed.folder / name / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_selection_is_paid_out_of_a_budget_that_can_express_it(train):
    budget = {"flops": 2e8}
    _, _, free = train(part_of(budget=budget), name="free")
    _, _, paying = train(part_of(budget=budget, charge_selection=True), name="paying")
    assert paying["plan"]["visits"] < free["plan"]["visits"]
    assert paying["plan"]["flops"] + 3e7 <= 2e8 < paying["plan"]["flops"] + 3e7 + 7e6
    with pytest.raises(BudgetError, match="not affordable: the selection costs 3e.07 FLOPs of a budget of 2e.07"):
        train(part_of(budget={"flops": 2e7}, charge_selection=True), name="poor")


def test_pool_epochs_count_the_pool_not_the_selection(train):
    assert train(part_of(budget={"pool_epochs": 1.5}))[2]["plan"]["visits"] == 18


@pytest.fixture
def model_folder(tmp_path):
    loading.save_model(toy_model(), tmp_path / "given", toy_tokenizer(), None)
    return tmp_path / "given"


def point(tmp_path, model, name="pointer"):
    stored = store_artifact(tmp_path, "model", name)
    return stored, point_at_model(ModelPart(model=model), {}, Context(stored.folder))


def test_a_pointer_names_a_folder_and_hashes_its_contents(tmp_path, model_folder, monkeypatch):
    stored, outcome = point(tmp_path, str(model_folder))
    assert outcome.outputs == ("contents.json",) and outcome.logs == ("model.json",)
    assert outcome.numbers["parameters"] == sum(p.numel() for p in toy_model().parameters())
    assert loading.load_model(stored).config.n_embd == 32
    shutil.copytree(model_folder, tmp_path / "home" / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    moved, _ = point(tmp_path, "~/elsewhere", "moved")
    assert (moved.folder / "contents.json").read_text() == (stored.folder / "contents.json").read_text()
    assert loading.load_model(moved).config.n_embd == 32


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("tokenizer*", "given has no tokenizer; it needs tokenizer.json"), ("*.safetensors", "given is no model folder")],
)
def test_a_folder_that_lacks_a_part_is_refused(tmp_path, model_folder, pattern, message):
    for path in model_folder.glob(pattern):
        path.unlink()
    with pytest.raises(RecipeError, match=message) as caught:
        point(tmp_path, str(model_folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("training", [FULL, LORA])
def test_calibration_measures_a_speed(training):
    speed = measure_speed(ARCHITECTURE | {"vocab_size": VOCABULARY}, training, batch_size=4, tokens=16)
    assert 1e6 < speed < 1e15


class Seen(list):
    """Progress that is kept."""

    def update(self, done, total, note=""):
        self.append((done, total))


@pytest.mark.parametrize(
    ("sharding", "method"),
    [("full", "fork"), *(pytest.param(each, "spawn", marks=pytest.mark.long) for each in ("none", "full"))],
)
@pytest.mark.slow
def test_two_devices_leave_what_one_leaves(tmp_path, inputs, sharding, method, monkeypatch):
    """With the probe of a real run on the way; spawned, as users have them, two processes in their own right."""
    monkeypatch.setattr(launching, "START_METHOD", method)
    pq.write_table(pq.read_table(inputs["data"].folder / "train.parquet"), inputs["data"].folder / "validation.parquet")
    training = LORA.model_copy(update={"precision": "float64", "lora": LoraRecipe(r=2, lora_dropout=0.0)})
    left = {}
    for devices in (1, 2):
        cut = training.model_copy(update={"sharding": sharding if devices == 2 else "none"})
        stored = store_artifact(tmp_path, "train", f"on{devices}")
        probe, seen = ProbeMaker(EvaluationRecipe(sets=[SET]), inputs, None), Seen()
        outcome = train_model(part_of(cut, every_steps=2, devices=devices), inputs, Context(stored.folder, seen, probe))
        weights = [load_file(stored.folder / name / "adapter_model.safetensors") for name in ("best", "last")]
        left[devices] = weights, read_json(stored.folder / "training_records.json"), outcome, seen
    (one, records, outcome, seen), (two, others, outcomes, seens) = left[1], left[2]
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        assert max((first[name] - second[name]).abs().max() for name in first) < 1e-9
    assert [at["validation"]["loss"] for at in others["evaluations"]] == pytest.approx(
        [at["validation"]["loss"] for at in records["evaluations"]], abs=1e-9
    )
    for meter, cost in outcome.costs.items():
        assert dataclasses.replace(outcomes.costs[meter], seconds=0) == dataclasses.replace(cost, seconds=0)
    assert others["plan"] == records["plan"] and outcomes.outputs == outcome.outputs and seens == seen
