import copy

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from represent_support import LORA, make_model, make_pool, run, toys
from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.models.rows import pad
from winnow.recipe import GradientsRecipe, LoraRecipe
from winnow.selection.gradients import EPSILON, GradientSource, random_projections
from winnow.selection.losses import target_rows
from winnow.selection.proxy import Proxy, Tokens

ADAPTERS = {
    "gpt2": ("c_attn", "c_proj", "c_fc"),
    "llama": ("q_proj", "v_proj", "o_proj", "down_proj"),
}
SMALL = {"batch_size": 8, "shard_size": 16}


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))


def some_rows(count=5):
    rng = np.random.default_rng(3)
    tokens = [[rng.integers(1, 270, rng.integers(1, 9)).tolist() for _ in range(count)] for _ in range(2)]
    return target_rows([f"r{i}" for i in range(count)], Tokens(*tokens), "completion")


def one_by_one(model, rows):
    """Gradients of each row's mean loss alone, by autograd; name -> [rows, out, r]."""
    weights = {n.removesuffix(".weight"): p for n, p in model.named_parameters() if n.endswith("lora_B.default.weight")}
    found = {name: [] for name in weights}
    for row in range(len(rows.names)):
        ids, start = torch.from_numpy(rows.row(row).astype(np.int64)), int(rows.target_from[row])
        logits = model(input_ids=ids[None]).logits[0, start - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, ids[start:])
        for name, gradient in zip(weights, torch.autograd.grad(loss, weights.values()), strict=True):
            found[name].append(gradient)
    return {name: torch.stack(each) for name, each in found.items()}


def adapted(kind, targets=None):
    lora = LoraRecipe(r=3, lora_alpha=6, target_modules=targets or ADAPTERS[kind])
    return loading.adapt(toys.toy_model(kind, spread=0.2), lora, seed=0).double().eval()


def batched(model, rows):
    source, found = GradientSource(Proxy(model, 8)), {}
    source.of_batch(pad(rows, np.arange(len(rows.names))), found.__setitem__)
    return {name: found[name] for name in source.shapes}


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("is_trained", [False, True])
def test_one_backward_pass_gives_every_examples_gradient(kind, is_trained):
    model, rows = adapted(kind), some_rows()
    if is_trained:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    expected = one_by_one(copy.deepcopy(model), rows)
    found = batched(model, rows)
    assert list(found) == list(expected)
    for name, gradient in found.items():
        assert gradient.shape == expected[name].shape
        assert torch.allclose(gradient, expected[name], rtol=1e-6, atol=1e-9), name
        assert gradient.abs().max() > 1e-6


def test_padding_and_neighbours_change_nothing():
    model, rows = adapted("gpt2"), some_rows()
    together = batched(model, rows)
    alone = batched(model, rows.take([3]))
    assert all(torch.allclose(together[name][3], alone[name][0], atol=1e-9) for name in together)


def test_projected_gradients_are_those_of_a_loop(tmp_path):
    inputs = {"pool": make_pool(tmp_path / "pool", 20, 3), "model": make_model(tmp_path / "model")}
    recipe = GradientsRecipe(projection=20, seed=4, **SMALL)
    outcome, vectors = run(tmp_path / "a", recipe, inputs)
    gradients, projections, rows = by_hand(tmp_path, recipe)
    expected = torch.cat([gradients[name].flatten(1) @ projections[name] for name in gradients], dim=1)
    assert vectors == pytest.approx(expected.detach().numpy(), rel=1e-3, abs=1e-5)
    assert vectors.shape == (20, 20) and outcome.numbers["dimensions"] == 20


def by_hand(tmp_path, recipe):
    model = loading.adapt(toys.toy_model(spread=0.2), LORA, seed=recipe.seed).eval()
    table = pq.read_table(tmp_path / "pool" / "train.parquet")
    tokens = Tokens(table["prompt_ids"].to_pylist(), table["completion_ids"].to_pylist())
    rows = target_rows(table["id"].to_pylist(), tokens, "completion")
    gradients = one_by_one(model, rows)
    shapes = {name: tuple(each.shape[1:]) for name, each in gradients.items()}
    return gradients, random_projections(shapes, recipe), rows


@pytest.mark.slow
def test_adams_moment_is_the_mean_square_over_the_pool(tmp_path):
    inputs = {"pool": make_pool(tmp_path / "pool", 20, 3), "model": make_model(tmp_path / "model")}
    recipe = GradientsRecipe(projection=20, adam=True, **SMALL)
    outcome, vectors = run(tmp_path / "a", recipe, inputs)
    gradients, projections, _ = by_hand(tmp_path, recipe)
    scaled = {name: each / (each.square().mean(dim=0).sqrt() + EPSILON) for name, each in gradients.items()}
    expected = torch.cat([scaled[name].flatten(1) @ projections[name] for name in scaled], dim=1).detach().numpy()
    assert vectors == pytest.approx(expected, rel=1e-2, abs=1e-2 * float(np.abs(expected).max()))
    plain = run(tmp_path / "b", recipe.model_copy(update={"adam": False}), inputs)[0].costs["represent"]
    pool_alone = make_pool(tmp_path / "alone", 20, 0)
    once = run(tmp_path / "c", recipe.model_copy(update={"adam": False}), inputs | {"pool": pool_alone})[0]
    assert outcome.costs["represent"].flops == pytest.approx(plain.flops + once.costs["represent"].flops)


def test_projections_keep_inner_products():
    shapes = {f"m{i}": (40, 4) for i in range(3)}
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, 480, generator=generator)
    gradients = common + torch.randn(30, 480, generator=generator)
    errors = []
    for seed in range(8):
        projections = random_projections(shapes, GradientsRecipe(projection=481, seed=seed))
        assert [each.shape for each in projections.values()] == [(160, 161), (160, 160), (160, 160)]
        pieces = [gradients[:, 160 * i : 160 * (i + 1)] @ each for i, each in enumerate(projections.values())]
        projected = torch.cat(pieces, dim=1)
        errors.append((projected @ projected.T - gradients @ gradients.T) / 480)
    errors = torch.stack(errors)
    assert errors.abs().mean() < 0.15 and errors.mean(dim=0).abs().mean() < 0.06


def test_similar_examples_have_similar_gradients(tmp_path):
    model = adapted("gpt2")
    tokens = Tokens([[5, 6, 7], [5, 6, 8], [100, 120, 130]], [[20, 21, 22], [20, 21, 22], [150, 160]])
    found = batched(model, target_rows(["a", "b", "c"], tokens, "completion"))
    flat = torch.nn.functional.normalize(torch.cat([each.flatten(1) for each in found.values()], dim=1), dim=1)
    cosine = flat @ flat.T
    assert cosine[0, 1] > 0.5 > cosine[0, 2].abs()


def test_the_cost_is_a_backward_pass_without_weights_below_the_adapter(tmp_path):
    inputs = {"pool": make_pool(tmp_path / "pool", 20, 0), "model": make_model(tmp_path / "model")}
    cost = run(tmp_path / "a", GradientsRecipe(projection=20, **SMALL), inputs)[0].costs["represent"]
    model = loading.adapt(toys.toy_model(), LORA, seed=0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_B" in name
    table = pq.read_table(tmp_path / "pool" / "train.parquet")
    lengths = np.array([len(row["prompt_ids"]) + len(row["completion_ids"]) for row in table.to_pylist()])
    costs = flop_model(model)
    assert cost.flops == pytest.approx(costs.train(lengths).sum())
    assert cost.flops > 1.5 * costs.forward(lengths).sum()
    assert cost.flops_6n == pytest.approx(costs.six_n(lengths.sum()))


def test_no_weight_is_left_with_a_gradient():
    model = adapted("gpt2")
    batched(model, some_rows())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_modules_that_see_other_tokens_are_refused():
    model, rows = adapted("gpt2"), some_rows()
    source = GradientSource(Proxy(model, 8))
    batch = pad(rows, np.arange(5))
    module = next(iter(source.modules.values()))
    module.register_forward_pre_hook(lambda module, args: (args[0].flatten(0, 1),))
    module.register_forward_hook(lambda module, args, output: output.unflatten(0, tuple(batch.ids.shape)))
    with pytest.raises(RecipeError, match="does not see every token; leave it out of target_modules"):
        source.of_batch(batch, lambda name, gradient: None)
