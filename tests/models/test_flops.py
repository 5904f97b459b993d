import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toys import SIZES, VOCABULARY, toy_model

from winnow.models.flops import flop_model
from winnow.models.loading import adapt, build_model, skeleton
from winnow.recipe import LoraRecipe

LENGTH = 24
KINDS = ["gpt2", "llama", "qwen2", "qwen3", "gpt_neo"]


def counted(model, *, train):
    """What torch's counter counts over one row."""
    ids = torch.arange(LENGTH).unsqueeze(0) % VOCABULARY
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
        logits = model(input_ids=ids, use_cache=False).logits
        if train:
            logits.square().sum().backward()
    return counter.get_total_flops()


def check(model):
    costs = flop_model(model)
    assert costs.forward(LENGTH) == pytest.approx(counted(model, train=False), rel=0.01)
    assert costs.train(LENGTH) == pytest.approx(counted(model, train=True), rel=0.01)
    return costs


@pytest.mark.parametrize("kind", KINDS)
def test_full_training_costs_what_torch_counts(kind):
    model = toy_model(kind, attention="eager")
    costs = check(model)
    assert costs.parameters == costs.trainable_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("kind", "targets"),
    [
        ("gpt2", ("c_attn",)),
        ("gpt2", ("c_attn", "c_proj")),
        ("gpt2", ("c_fc",)),
        ("gpt2", "all-linear"),
        ("llama", ("q_proj", "k_proj", "v_proj")),
        ("llama", ("down_proj",)),
        ("qwen2", ("o_proj", "up_proj")),
        ("qwen3", "all-linear"),
    ],
)
def test_adapters_cost_what_torch_counts(kind, targets):
    model = adapt(toy_model(kind, attention="eager"), LoraRecipe(r=4, target_modules=targets), seed=0)
    costs = check(model.eval())
    assert 0 < costs.trainable_parameters < costs.parameters


def test_gradients_of_keys_in_the_lowest_layer_are_counted_though_no_adapter_needs_them():
    """An upper bound: a quarter of the attention's backward pass in one layer, nothing in a model of real size."""
    model = adapt(toy_model("llama", attention="eager"), LoraRecipe(r=4, target_modules=("q_proj", "v_proj")), seed=0)
    spare = flop_model(model).train(LENGTH) - counted(model.eval(), train=True)
    assert spare == pytest.approx(2 * 32 * LENGTH**2, rel=0.02)


def test_an_adapter_in_the_last_layer_alone_sends_no_gradient_below():
    model = toy_model("llama", attention="eager").requires_grad_(False)
    for parameter in model.model.layers[-1].mlp.parameters():
        parameter.requires_grad = True
    costs = check(model)
    assert costs.train.attention == costs.forward.attention


@pytest.mark.parametrize("frozen", ["transformer.wte", "transformer.wpe", "transformer.h.0", "transformer.ln_f"])
def test_partly_frozen_models_cost_what_torch_counts(frozen):
    model = toy_model("gpt2", attention="eager")
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(("transformer.wpe", "transformer.wte", frozen))
    check(model)


def test_the_meta_device_gives_the_same_numbers():
    architecture = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96}
    real = build_model(architecture, seed=0, vocab_size=VOCABULARY, eos_id=0)
    bare = skeleton(architecture | SIZES)
    lora = LoraRecipe(r=2)
    assert flop_model(bare) == flop_model(real)
    assert flop_model(adapt(bare, lora, seed=0)) == flop_model(adapt(real, lora, seed=0))


def test_counting_leaves_the_model_as_it_was():
    model = toy_model().train()
    flop_model(model)
    assert model.training and not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_executed_flops_save_the_head_where_nothing_is_learnt():
    train = flop_model(toy_model()).train
    dense = train.executed(rows=3, padded_length=10, heads=30)
    assert dense == train(np.array([10, 10, 10])).sum()
    assert train.executed(rows=3, padded_length=10, heads=12) == dense - 18 * train.head
    assert train.executed(rows=3, padded_length=12, heads=30) > dense


def test_the_papers_convention_is_six_per_parameter_and_token():
    costs = flop_model(toy_model())
    assert costs.six_n(1000) == 6000 * costs.parameters
