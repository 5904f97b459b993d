import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toys import toy_model

from winnow.models import loading
from winnow.models.counted_flops import flops_per_token
from winnow.models.flops import flop_model
from winnow.recipe import LoraRecipe

pytestmark = pytest.mark.slow

TARGETS = ("q_proj", "k_proj", "v_proj")
ADAPTERS = {
    "dora": LoraRecipe(r=4, target_modules=TARGETS, use_dora=True, lora_dropout=0.0),
    "ia3": {"peft_type": "IA3", "target_modules": list(TARGETS), "feedforward_modules": []},
    "loha": {"peft_type": "LOHA", "r": 2, "target_modules": list(TARGETS)},
}


def counted(model, length, *, backward):
    """FLOPs of one row by torch's counter."""
    ids = torch.zeros(1, length, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=ids, use_cache=False).logits
        if backward:
            logits.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ADAPTERS)
def test_flops_of_other_adapters_grow_with_the_tokens_as_torch_counts(name):
    model = loading.adapt(toy_model("llama", attention="eager"), ADAPTERS[name], seed=0)
    costs, lengths = flop_model(model), np.array([32, 64])
    for coefficients, backward in ((costs.forward, False), (costs.train, True)):
        model.train(backward)
        found = np.diff([counted(model, int(length), backward=backward) for length in lengths])
        assert np.diff(coefficients(lengths)) == pytest.approx(found, rel=0.01)


def test_plain_lora_is_counted_alike_either_way():
    model = loading.adapt(toy_model("llama"), LoraRecipe(r=4, target_modules=TARGETS, lora_dropout=0.0), seed=0)
    costs = flop_model(model)
    expected = [each.body + each.head for each in (costs.forward, costs.train)]
    assert flops_per_token(model) == pytest.approx(expected, rel=1e-6)


def test_counting_leaves_the_model_and_the_random_numbers_as_they_are():
    model = loading.adapt(toy_model("llama"), ADAPTERS["dora"], seed=0).train()
    state, before = torch.get_rng_state(), {name: w.clone() for name, w in model.named_parameters()}
    flop_model(model)
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert all(torch.equal(before[name], w) and w.grad is None for name, w in model.named_parameters())
