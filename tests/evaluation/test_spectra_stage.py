"""Spectra as a stage: of whole models and of adapters, resumed after a kill, and of what cannot be had."""

import pyarrow.parquet as pq
import pytest
import torch
from toys import store_artifact, toy_model, toy_tokenizer

from winnow.errors import DataError, UnavailableError
from winnow.evaluation import spectra as stage
from winnow.evaluation.spectra import adapter_factors, measure_spectra
from winnow.models import loading
from winnow.recipe import LoraRecipe, SpectraRecipe
from winnow.recipe.measuring import SpectraPart
from winnow.records import Context

PART = SpectraPart(spectra=SpectraRecipe(), checkpoint="last")


@pytest.fixture
def start(tmp_path):
    stored = store_artifact(tmp_path, "train", "start")
    loading.save_model(toy_model("llama", spread=0.2), stored.folder / "last", toy_tokenizer(), None)
    return stored


@pytest.fixture
def measure(tmp_path, start):
    """The rows of a run that leaves this model, by path."""

    def run(model, name="run", part=PART):
        trained = store_artifact(tmp_path, "train", name)
        loading.save_model(model, trained.folder / "last", toy_tokenizer(), "base")
        loading.write_start(trained.folder, start.artifact)
        stored = store_artifact(tmp_path, "spectra", name)
        outcome = measure_spectra(part, {"run": trained, "start": start}, Context(stored.folder))
        assert set(outcome.outputs) == {"spectra.parquet", "spectra.json"} and not (stored.folder / "parts").exists()
        rows = {row["path"]: row for row in pq.read_table(stored.folder / "spectra.parquet").to_pylist()}
        assert outcome.numbers == {"matrices": len(rows)}
        return rows

    return run


def lora(r=3, **options):
    """The toy model with an adapter that has learnt something."""
    recipe = LoraRecipe(r=r, lora_alpha=2 * r, lora_dropout=0.0, target_modules="mlp", **options)
    model = loading.adapt(toy_model("llama", spread=0.2), recipe, seed=0)
    with loading.seeded(1):
        for weight in loading.trainable_state(model).values():
            weight.add_(0.1 * torch.randn_like(weight))
    return model


def exact(before, after, path):
    difference = after.get_submodule(path).weight - before.get_submodule(path).weight
    return torch.linalg.svdvals(difference.detach().double())


def test_a_whole_models_changes_are_those_of_torch(measure):
    base, tuned = toy_model("llama", spread=0.2), toy_model("llama", spread=0.2, seed=5)
    rows = measure(tuned)
    assert len(rows) == 14 and "lm_head" not in rows
    for path, row in rows.items():
        values = exact(base, tuned, path)
        assert row["singular_values"] == pytest.approx(values.tolist(), abs=1e-5 * float(values[0]))
        weights = base.get_submodule(path).weight
        assert (row["rows"], row["columns"]) == tuple(weights.shape) and row["bound"] == min(weights.shape)
        assert row["relative_size"] == pytest.approx(float(values.norm() / weights.norm()), rel=1e-5)
        assert 1e-9 < row["noise_floor"] < 1e-7
    assert {row["layer"] for row in rows.values()} == {0, 1}
    assert {row["module"] for row in rows.values()} >= {"q_proj", "down_proj"}


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}])
def test_an_adapters_changes_are_those_of_the_merged_model(measure, options):
    model = lora(**options)
    rows = measure(model)
    assert {row["module"] for row in rows.values()} == {"gate_proj", "up_proj", "down_proj"}, "and no other"
    merged = loading.merged(model)
    for path, row in rows.items():
        values = exact(toy_model("llama", spread=0.2), merged, path)
        assert row["singular_values"] == pytest.approx(values[:3].tolist(), rel=1e-4)
        assert row["bound"] == 3 >= row["rank90"] and row["noise_floor"] == 0.0


def test_an_adapter_that_is_no_product_is_taken_from_the_merged_weights(measure):
    model = lora(use_dora=True)
    rows = measure(model)
    values = exact(toy_model("llama", spread=0.2), loading.merged(model), "model.layers.0.mlp.up_proj")
    row = rows["model.layers.0.mlp.up_proj"]
    assert row["singular_values"] == pytest.approx(values.tolist(), abs=1e-5 * float(values[0]))
    assert row["bound"] == 32, "of the magnitudes every row may change"


def test_gpt2s_transposed_matrices_are_rows_by_columns_of_the_map(tmp_path):
    weights = stage.weights_of(toy_model("gpt2"))
    assert weights["transformer.h.0.mlp.c_fc"].shape == (128, 32)


def test_an_untouched_model_has_no_rows(measure):
    assert measure(toy_model("llama", spread=0.2)) == {}


def test_a_kill_costs_one_matrix(measure, monkeypatch, tmp_path):
    whole, told = measure(toy_model("llama", spread=0.2, seed=5)), stage.spectrum
    counted = []

    def dies(path, *args):
        counted.append(path)
        if len(counted) == 6:
            raise KeyboardInterrupt
        return told(path, *args)

    monkeypatch.setattr(stage, "spectrum", dies)
    tuned = toy_model("llama", spread=0.2, seed=5)
    with pytest.raises(KeyboardInterrupt):
        measure(tuned, "again")
    assert measure(tuned, "again") == whole
    assert len(counted) == 15 and counted[5] == counted[6], "the sixth again, and the eight after it"


def test_what_is_no_number_is_named(measure):
    model = toy_model("llama", spread=0.2)
    model.get_submodule("model.layers.1.mlp.up_proj").weight.data[0, 0] = float("nan")
    with pytest.raises(DataError, match=r"model\.layers\.1\.mlp\.up_proj holds what is no number after training"):
        measure(model)


def test_spectra_of_a_quantised_base_are_not_to_be_had(measure):
    with pytest.raises(UnavailableError, match="the base was held in 4bit; leave training.quantise out"):
        measure(lora(), part=PART.model_copy(update={"quantise": "4bit"}))


def test_only_a_plain_lora_has_two_factors(tmp_path):
    loading.save_model(lora(), tmp_path / "lora", toy_tokenizer(), None)
    b, a, scale = adapter_factors(tmp_path / "lora")["model.layers.0.mlp.up_proj"]
    assert (b.shape, a.shape, scale) == ((48, 3), (3, 32), 2.0)
    loading.save_model(lora(use_dora=True), tmp_path / "dora", toy_tokenizer(), None)
    assert adapter_factors(tmp_path / "dora") is None and adapter_factors(tmp_path) is None
