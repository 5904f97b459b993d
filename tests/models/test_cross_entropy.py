import pytest
import torch
from torch.nn import functional
from toys import toy_model, toy_rows, whole_batch

from winnow.models import cross_entropy
from winnow.models.cross_entropy import scaled_cross_entropy
from winnow.models.forward import Losses
from winnow.models.loading import adapt
from winnow.recipe import LoraRecipe


def dense(hidden, weight, bias, targets, scales):
    return (functional.cross_entropy(functional.linear(hidden, weight, bias), targets, reduction="none") * scales).sum()


def inputs(positions=37, width=8, vocabulary=50, *, with_bias=True, trained=True, dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(positions, width, generator=draw, dtype=dtype).requires_grad_()
    weight = torch.randn(vocabulary, width, generator=draw, dtype=dtype).requires_grad_(trained)
    bias = torch.randn(vocabulary, generator=draw, dtype=dtype).requires_grad_(trained) if with_bias else None
    targets = torch.randint(0, vocabulary, (positions,), generator=draw)
    return hidden, weight, bias, targets, torch.rand(positions, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("block", [1, 16, 1000])
def test_losses_and_gradients_are_those_of_dense_logits(monkeypatch, with_bias, trained, block):
    monkeypatch.setattr(cross_entropy, "BLOCK_LOGITS", 50 * block)
    monkeypatch.setattr(cross_entropy, "MIN_BLOCK", 1)
    found = {}
    for function in (dense, scaled_cross_entropy):
        given = inputs(with_bias=with_bias, trained=trained)
        total = function(*given)
        (3 * total).backward()
        found[function] = [total.detach(), *(t.grad for t in given[:3] if t is not None and t.requires_grad)]
    assert len(found[dense]) == 2 + trained * (1 + with_bias)
    for one, other in zip(*found.values(), strict=True):
        assert (one - other).abs().max() < 1e-12


def test_large_logits_do_not_overflow():
    hidden, *rest = (each.detach() for each in inputs(dtype=torch.float32))
    found, expected = (function(1e4 * hidden, *rest) for function in (scaled_cross_entropy, dense))
    assert torch.isfinite(found) and float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_a_model_trains_on_the_same_gradients(kind):
    gradients = {}
    for is_blockwise in (False, True):
        model = toy_model(kind).double().train()
        losses = Losses(model)
        assert losses.is_blockwise
        losses.is_blockwise = is_blockwise
        batch = whole_batch(toy_rows(6))
        losses.scaled_sum(batch, batch.total_weight()).backward()
        gradients[is_blockwise] = {name: weight.grad for name, weight in model.named_parameters()}
    for name, gradient in gradients[False].items():
        assert (gradient - gradients[True][name]).abs().max() < 1e-12


def test_an_adapted_head_keeps_its_dense_logits():
    model = adapt(toy_model(), LoraRecipe(r=2, target_modules=("lm_head",)), seed=0)
    assert not Losses(model).is_blockwise
