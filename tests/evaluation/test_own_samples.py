"""Divergence on a model's own samples, against what can be enumerated, and as stages of a study."""

import itertools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from toys import EOS, naive_losses, store_artifact, store_tokenizer, toy_model, toy_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from winnow.evaluation.own_samples import (
    divergence,
    draw_own_samples,
    measure_divergence,
    own_rows,
    read_own_samples,
    with_divergence,
)
from winnow.evaluation.scoring import row_losses
from winnow.models import loading
from winnow.models.forward import Losses
from winnow.recipe import OwnSamplesRecipe
from winnow.recipe.measuring import DivergencePart, SourceSamplesPart
from winnow.records import Context, Cost

TINY = {"vocab_size": 4, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}  # fmt: skip
PART = SourceSamplesPart(samples=OwnSamplesRecipe(count=20, tokens=12, seed=3), batch_size=8)


class Ends:
    """All of a tokenizer that drawing looks at."""

    bos_token_id = eos_token_id = 0
    name_or_path = "tiny"


def tiny(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LlamaConfig(**TINY, initializer_range=0.8, max_position_embeddings=16)
        return LlamaForCausalLM(config).eval()


def texts(longest):
    """All texts of the four-token model: they end with token 0, or at the longest."""
    for size in range(1, longest + 1):
        for drawn in itertools.product(range(4), repeat=size):
            if 0 not in drawn[:-1] and (drawn[-1] == 0 or size == longest):
                yield drawn


def enumerated(base, tuned, longest):
    """KL(base || tuned) of whole texts over the tokens that a text has in the mean."""
    divergence, length, total = 0.0, 0.0, 0.0
    for drawn in texts(longest):
        ids = [0, *drawn]
        ours, theirs = sum(naive_losses(base, ids, 1)), sum(naive_losses(tuned, ids, 1))
        chance = np.exp(-ours)
        total += chance
        divergence += chance * (theirs - ours)
        length += chance * len(drawn)
    assert total == pytest.approx(1, abs=1e-5), "these are all texts"
    return divergence / length


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_estimate_is_the_enumerated_divergence(seed):
    base, tuned = tiny(0), tiny(seed)
    part = SourceSamplesPart(samples=OwnSamplesRecipe(count=3000, tokens=4, seed=seed), batch_size=3000)
    rows, tokens = own_rows(base, Ends(), part)
    assert tokens == (rows.lengths - 1).sum()
    losses, _ = row_losses(Losses(base), rows)
    items, found = divergence(tuned, rows, losses)
    exact = enumerated(base, tuned, 4)
    assert exact > 0.01
    assert abs(found["kl_from_base"] - exact) < 4 * found["stderr"] < exact
    assert found["kl_from_base"] == pytest.approx((items * (rows.lengths - 1)).sum() / tokens)
    assert (found["samples"], found["tokens"]) == (3000, tokens)


@pytest.fixture
def drawn(tmp_path):
    """The samples of a toy model as an artifact, and the model."""
    model = store_artifact(tmp_path, "train", "base", {"best_step": 5, "steps": 5})
    loading.save_model(toy_model("llama", spread=0.3), model.folder / "last", toy_tokenizer(), None)
    stored = store_artifact(tmp_path, "source_samples", "samples")
    inputs = {"model": model, "tokenizer": store_tokenizer(tmp_path)}
    return stored, model, draw_own_samples(PART, inputs, Context(stored.folder))


def test_samples_are_texts_that_begin_and_end(drawn):
    stored, _, outcome = drawn
    rows = pq.read_table(stored.folder / "samples.parquet").to_pylist()
    assert len(rows) == 20 and len({tuple(row["ids"]) for row in rows}) == 20
    for row in rows:
        assert row["ids"][0] == EOS and 1 < len(row["ids"]) <= 13
        assert EOS not in row["ids"][1:-1] and (row["ids"][-1] == EOS or len(row["ids"]) == 13)
        model = toy_model("llama", spread=0.3)
        assert row["loss"] == pytest.approx(sum(naive_losses(model, row["ids"], 1)), abs=1e-3)
        assert row["text"] == toy_tokenizer().decode(row["ids"][1:])
    assert set(outcome.costs) == {"evaluate"}, "nobody is charged"
    assert outcome.costs["evaluate"].flops > 0 and outcome.numbers["tokens"] == sum(len(r["ids"]) - 1 for r in rows)


def test_an_untouched_model_has_forgotten_exactly_nothing(drawn, tmp_path):
    samples, base, _ = drawn
    loading.save_model(loading.load_model(base), base.folder / "best", toy_tokenizer(), None)
    stored = store_artifact(tmp_path, "divergence", "divergence")
    part = DivergencePart(checkpoints=("best", "last"))
    outcome = measure_divergence(part, {"run": base, "samples": samples}, Context(stored.folder))
    assert outcome.numbers["best"]["kl_from_base"] == outcome.numbers["last"]["kl_from_base"] == 0.0
    assert outcome.numbers["last"]["stderr"] == 0.0


def test_each_checkpoint_is_measured_once(drawn, tmp_path):
    samples, base, _ = drawn
    run = store_artifact(tmp_path, "train", "run", {"best_step": 1, "steps": 5})
    for checkpoint, seed in (("best", 1), ("last", 2)):
        model = toy_model("llama", spread=0.3, seed=seed)
        loading.save_model(model, run.folder / checkpoint, toy_tokenizer(), None)
    stored = store_artifact(tmp_path, "divergence", "two")
    part = DivergencePart(checkpoints=("best", "last"))
    outcome = measure_divergence(part, {"run": run, "samples": samples}, Context(stored.folder))
    assert set(outcome.outputs) == {
        "divergence_best.json", "divergence_last.json", "items_best.parquet", "items_last.parquet",
    }  # fmt: skip
    best, last = (json.loads((stored.folder / f"divergence_{name}.json").read_text()) for name in ("best", "last"))
    assert best == outcome.numbers["best"] != last == outcome.numbers["last"]
    rows, base_losses = read_own_samples(samples)
    items = pq.read_table(stored.folder / "items_last.parquet").to_pylist()
    for place, item in enumerate(items):
        ids = rows.row(place).tolist()
        exact = sum(naive_losses(toy_model("llama", spread=0.3, seed=2), ids, 1)) - base_losses[place]
        assert item["score"] * item["weight"] == pytest.approx(exact, abs=2e-3) and item["weight"] == len(ids) - 1


def test_on_the_way_the_model_goes_on_as_it_was(drawn):
    samples, _, _ = drawn
    model = toy_model("llama", spread=0.3).train()
    probe = with_divergence(lambda model: {"micro": {}, "cost": Cost(flops=1.0, tokens=1)}, samples)
    told = probe(model)
    assert told["kl_from_base"] == pytest.approx(0, abs=1e-6) and model.training
    rows, _ = read_own_samples(samples)
    assert told["cost"].tokens == 1 + rows.lengths.sum() and told["cost"].flops > 1
    assert probe(toy_model("llama", spread=0.3, seed=4))["kl_from_base"] > 0.1
