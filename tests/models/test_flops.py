import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toys import SIZES, VOCABULARY, toy_model

from winnow.models.flops import flop_model
from winnow.models.loading import adapt, build_model, freeze, skeleton
from winnow.models.recomputing import recompute_layers
from winnow.recipe import LoraRecipe

LENGTH = 24
KINDS = ["gpt2", "llama", "qwen2", "qwen3", "smollm", "gpt_neo"]


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
        ("smollm", ("q_proj", "k_proj", "v_proj", "o_proj")),
        ("smollm", ("gate_proj",)),
        ("smollm", "all-linear"),
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


@pytest.mark.parametrize(
    ("kind", "patterns"),
    [
        ("gpt2", (r"\.wte\.", r"\.wpe\.", r"\.h\.0\.")),
        ("gpt2", (r"\.attn\.",)),
        ("llama", (r"embed_tokens", r"layers\.0\.")),
        ("llama", (r"layers",)),
        ("qwen2", (r"mlp",)),
        ("smollm", (r"embed_tokens", r"layers\.0\.")),
        ("smollm", (r"self_attn",)),
    ],
)
def test_layers_frozen_by_pattern_cost_what_torch_counts(kind, patterns):
    model = toy_model(kind, attention="eager")
    freeze(model, patterns)
    costs = check(model)
    assert costs.trainable_parameters == sum(p.numel() for p in model.parameters() if p.requires_grad)


def rerun_counted(model):
    """What torch's counter counts more with gradient checkpointing; the bound of `rerun` for one row."""
    model.train()
    plain = counted(model, train=True)
    recompute_layers(model)
    return counted(model, train=True) - plain, flop_model(model).rerun(LENGTH)


def test_layers_that_run_again_cost_what_torch_counts():
    """Their dropout, whose mask is kept, stands at the end: every matrix before it runs again."""
    model = toy_model("gpt2", attention="eager")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    found, bound = rerun_counted(model)
    forward = flop_model(model).forward
    assert found == bound == forward(LENGTH) - forward.head * LENGTH


@pytest.mark.parametrize("kind", ["llama", "smollm"])
def test_a_layer_that_ends_in_a_matrix_is_not_run_to_its_end(kind):
    model = toy_model(kind, attention="eager")
    found, bound = rerun_counted(model)
    assert bound - found == sum(2 * LENGTH * layer.mlp.down_proj.weight.numel() for layer in model.model.layers)


def test_only_layers_that_gradients_pass_run_again():
    model = toy_model("llama", attention="eager")
    whole = flop_model(model).rerun(LENGTH)
    freeze(model, ["embed_tokens", r"layers\.0\."])
    found, bound = rerun_counted(model)
    assert bound == whole / 2
    assert bound - found == 2 * LENGTH * model.model.layers[1].mlp.down_proj.weight.numel()


def test_with_adapters_almost_the_whole_layer_runs_again():
    model = adapt(
        toy_model("qwen2", attention="eager"), LoraRecipe(r=4, lora_dropout=0.0, target_modules="all-linear"), seed=0
    )
    found, bound = rerun_counted(model)
    assert found == pytest.approx(bound, rel=0.02) and found <= bound


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


def test_executed_flops_hold_what_runs_again():
    costs = flop_model(toy_model())
    batch = {"rows": 3, "padded_length": 10, "heads": 12}
    once = costs.executed(**batch, is_rerun=False)
    assert once == costs.train.executed(**batch)
    assert costs.executed(**batch, is_rerun=True) == once + 3 * costs.rerun(10)


def test_the_papers_convention_is_six_per_parameter_and_token():
    costs = flop_model(toy_model())
    assert costs.six_n(1000) == 6000 * costs.parameters
