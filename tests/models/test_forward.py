import pytest
import torch
from toys import SIZES, naive_losses, toy_model, toy_rows, whole_batch
from transformers import Gemma2Config, Gemma2ForCausalLM

from winnow.models.forward import Losses
from winnow.models.loading import adapt
from winnow.models.rows import pack, pad
from winnow.recipe import LoraRecipe


def naive(model, rows):
    ends = rows.offsets[1:]
    return [
        naive_losses(model, rows.ids[start:end], begin)
        for start, end, begin in zip(rows.offsets, ends, rows.target_from, strict=False)
    ]


@pytest.mark.parametrize(
    ("kind", "dtype", "tolerance"),
    [("gpt2", torch.float64, 1e-12), ("gpt2", torch.float32, 1e-5), ("llama", torch.float32, 1e-5)],
)
def test_target_losses_equal_a_plain_cross_entropy(kind, dtype, tolerance):
    model, rows = toy_model(kind, dtype=dtype, spread=0.2), toy_rows(6)
    losses = Losses(model)
    found = losses.of_targets(whole_batch(rows))
    assert losses.is_sparse and found.dtype == dtype
    assert found.tolist() == pytest.approx(sum(naive(model, rows), []), abs=tolerance)


def test_losses_do_not_see_the_padding():
    model, rows = toy_model(dtype=torch.float64), toy_rows(6)
    losses = Losses(model)
    together, _ = losses.of_rows(whole_batch(rows))
    alone = [losses.of_rows(pad(rows, torch.tensor([i]).numpy()))[0].item() for i in range(6)]
    assert together.tolist() == pytest.approx(alone, abs=1e-12)


def test_row_sums_add_up_the_targets():
    model, rows = toy_model(dtype=torch.float64), toy_rows(6)
    sums, counts = Losses(model).of_rows(whole_batch(rows))
    assert sums.tolist() == pytest.approx([sum(row) for row in naive(model, rows)], abs=1e-11)
    assert counts.tolist() == (rows.lengths - rows.target_from).tolist()


class Scaled(torch.nn.Module):
    """A model whose logits are not just backbone and head."""

    def __init__(self):
        super().__init__()
        self.inner = toy_model()
        self.base_model, self.get_output_embeddings = self.inner.base_model, self.inner.get_output_embeddings

    def forward(self, **inputs):
        out = self.inner(**inputs)
        out.logits = out.logits * 0.5
        return out


def capped():
    torch.manual_seed(0)
    config = Gemma2Config(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, max_position_embeddings=96, final_logit_softcapping=30.0, tie_word_embeddings=False, **SIZES,
    )  # fmt: skip
    return Gemma2ForCausalLM(config).eval()


@pytest.mark.parametrize("build", [Scaled, capped])
def test_a_model_that_scales_or_caps_its_logits_takes_the_long_way(build):
    """The cap is seen although the logits of a fresh model are far below it."""
    model, rows = build(), toy_rows(5)
    losses = Losses(model)
    assert not losses.is_sparse
    with torch.no_grad():
        assert losses.of_targets(whole_batch(rows)).tolist() == pytest.approx(sum(naive(model, rows), []), abs=1e-5)


def test_an_adapter_keeps_the_short_way_and_the_mode():
    model = adapt(toy_model(), LoraRecipe(), seed=0).train()
    assert Losses(model).is_sparse and model.training


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_packed_losses_are_those_of_each_row_alone(kind):
    model, rows = toy_model(kind, dtype=torch.float64, spread=0.2), toy_rows(6)
    losses, alone = Losses(model), naive(model, rows)
    batch = pack(rows, [[3, 1], [0], [2, 4, 5]])
    expected = [alone[row] for row in batch.rows]
    assert losses.of_targets(batch).tolist() == pytest.approx(sum(expected, []), abs=1e-11)
    sums, counts = losses.of_rows(batch)
    assert sums.tolist() == pytest.approx([sum(row) for row in expected], abs=1e-11)
    assert counts.tolist() == [len(row) for row in expected]
