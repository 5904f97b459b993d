import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from winnow.errors import DataError, RecipeError
from winnow.models.rows import rows_of
from winnow.recipe import HiddenStatesRecipe
from winnow.selection.hidden_states import pooled_hidden_states
from winnow.selection.proxy import Proxy, fixed_batches

GPT2 = GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32)
LLAMA = LlamaConfig(
    vocab_size=50,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
)


def make(kind="gpt2"):
    torch.manual_seed(0)
    return (GPT2LMHeadModel(GPT2) if kind == "gpt2" else LlamaForCausalLM(LLAMA)).eval()


def make_rows(count=13):
    rng = np.random.default_rng(0)
    return [rng.integers(1, 50, rng.integers(1, 20)).tolist() for _ in range(count)]


def states_of(model, rows, recipe, **told):
    ids = [np.array(row, dtype=np.int32) for row in rows]
    made = rows_of([f"row{i}" for i in range(len(rows))], ids, np.ones(len(rows), dtype=np.int64))
    return pooled_hidden_states(Proxy(model, recipe.batch_size), made, recipe, **told)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("pooling", ["weighted_mean", "mean", "last"])
@pytest.mark.parametrize("layer", [-1, 1])
def test_a_batch_gives_what_each_row_gives_alone(kind, pooling, layer):
    model, rows = make(kind), make_rows()
    states = states_of(model, rows, HiddenStatesRecipe(pooling=pooling, layer=layer, batch_size=4))
    assert states.shape == (13, 16) and states.dtype == np.float32
    for row, state in zip(rows, states, strict=True):
        with torch.no_grad():
            hidden = model(torch.tensor([row]), output_hidden_states=True).hidden_states[layer][0].numpy()
        position = np.arange(1, len(row) + 1)
        weights = {"weighted_mean": position, "mean": np.ones(len(row)), "last": position == len(row)}[pooling]
        assert state == pytest.approx(np.average(hidden, axis=0, weights=weights), abs=1e-5)


def test_batches_hang_on_length_and_place_alone():
    assert [batch.tolist() for batch in fixed_batches(np.array([5, 2, 5, 1, 2]), 2)] == [[3, 1], [4, 0], [2]]


def test_the_head_is_not_run_and_progress_is_told():
    model, told = make(), []
    model.lm_head.forward = lambda *_: pytest.fail("the head was run")
    states_of(model, make_rows(), HiddenStatesRecipe(batch_size=6), tell=told.append)
    assert told == [6, 12, 13]


def test_what_cannot_be_represented_is_refused():
    with pytest.raises(DataError, match=r"1 examples have no tokens \(first: row1\)"):
        states_of(make(), [[1], []], HiddenStatesRecipe())
    with pytest.raises(RecipeError, match="layer is 7; this model has layers -3 to 2"):
        states_of(make(), [[1]], HiddenStatesRecipe(layer=7))
    with pytest.raises(DataError, match="no examples"):
        states_of(make(), [], HiddenStatesRecipe())
