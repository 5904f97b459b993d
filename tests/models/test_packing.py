import pytest
import torch
from toys import SIZES, toy_model
from transformers import AutoConfig, AutoModelForCausalLM

from winnow.errors import RecipeError
from winnow.models.loading import adapt
from winnow.models.packing import check_packing
from winnow.recipe import LoraRecipe


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "qwen3", "gpt_neo"])
def test_usual_models_keep_packed_examples_apart(kind):
    check_packing(toy_model(kind, attention="eager" if kind == "gpt_neo" else "sdpa"))


def test_the_mode_of_an_adapted_model_stays():
    model = adapt(toy_model(), LoraRecipe(), seed=0).train()
    check_packing(model)
    assert model.training


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),  # ALiBi knows no positions
        ("opt", {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 48, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "max_position_embeddings": 96}),
        ("mamba", {"hidden_size": 32, "num_hidden_layers": 2}),  # recurrent
    ],
)  # fmt: skip
def test_models_that_let_examples_see_each_other_are_refused(kind, sizes):
    config = AutoConfig.for_model(kind, **sizes, **SIZES)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(RecipeError, match="ForCausalLM does not keep packed examples apart; set it to false"):
        check_packing(model)
