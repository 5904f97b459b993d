import pytest
import torch
from toys import toy_model
from transformers import GPT2Config, GPT2LMHeadModel

from winnow.models.activations import fuse_activations


def test_a_fused_model_gives_the_same_logits_and_gradients():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=16)).double().eval()
    ids = torch.arange(12).reshape(2, 6)
    found = []
    for _ in range(2):
        model.zero_grad()
        logits = model(input_ids=ids).logits
        logits.square().sum().backward()
        found.append([logits.detach(), *(weight.grad.clone() for weight in model.parameters())])
        fuse_activations(model)
    assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-12) for one, other in zip(*found, strict=True))


def test_what_is_written_out_becomes_one_operation_and_nothing_else_changes():
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=16))
    names, config = list(model.state_dict()), model.config.to_json_string()
    fuse_activations(model)
    assert all(isinstance(block.mlp.act, torch.nn.GELU) for block in model.transformer.h)
    assert list(model.state_dict()) == names and model.config.to_json_string() == config


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_other_models_stay_as_they_are(kind):
    model = toy_model(kind)
    before = {name: type(module) for name, module in model.named_modules()}
    fuse_activations(model)
    assert {name: type(module) for name, module in model.named_modules()} == before
