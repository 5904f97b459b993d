import pytest
import torch
from toys import toy_model

from winnow.errors import RecipeError
from winnow.models.loading import adapt
from winnow.models.recomputing import recompute_layers
from winnow.recipe import LoraRecipe

IDS = torch.arange(1, 41).reshape(2, 20)


def kept_bytes(model):
    """What a forward pass in training keeps for the backward pass, weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        logits = model.train()(input_ids=IDS, use_cache=False).logits
    assert logits.requires_grad
    return sum(kept.values()) - logits.nbytes


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_less_is_kept_for_the_backward_pass(kind):
    plain, model = toy_model(kind), toy_model(kind)
    recompute_layers(model)
    assert kept_bytes(model) < kept_bytes(plain) / 2


def test_adapters_train_and_nothing_below_them_gets_gradients():
    model = adapt(toy_model(), LoraRecipe(), seed=0).train()
    recompute_layers(model)
    embedded = []
    model.get_input_embeddings().register_forward_hook(lambda module, args, output: embedded.append(output))
    model(input_ids=IDS, use_cache=False).logits.sum().backward()
    assert not embedded[0].requires_grad
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


def test_a_model_without_such_layers_is_refused(monkeypatch):
    model = toy_model()
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(RecipeError, match="gradient_checkpointing is true, but GPT2LMHeadModel cannot run its layers"):
        recompute_layers(model)
