"""Log-likelihoods with shared work against one plain pass per sequence, for several kinds of models."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, GPT2Config, LlamaConfig, MistralConfig

from winnow.evaluation.benchmarks import likelihoods
from winnow.evaluation.benchmarks.likelihoods import Scorer
from winnow.evaluation.benchmarks.lines import Request
from winnow.models.flops import flop_model

VOCABULARY = 64
SIZES = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0}
LLAMA = SIZES | {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 256,
}  # fmt: skip
MODELS = {
    "gpt2": GPT2Config(n_layer=2, n_embd=32, n_head=4, n_positions=256, **SIZES),
    "llama": LlamaConfig(**LLAMA),
    "mistral": MistralConfig(**LLAMA, sliding_window=8),
    "bloom": BloomConfig(hidden_size=32, n_layer=2, n_head=4, **SIZES),
}


def model_of(name):
    torch.manual_seed(0)
    config = MODELS[name]
    config.initializer_range = 0.3
    return AutoModelForCausalLM.from_config(config).eval()


def items(count=12, shots=24):
    """Items with answers of several lengths; every other one begins with the same solved examples."""
    draw = np.random.default_rng(0)
    same = draw.integers(1, VOCABULARY, shots).tolist()
    found = []
    for number in range(count):
        context = (same if number % 2 else []) + draw.integers(1, VOCABULARY, draw.integers(3, 12)).tolist()
        answers = [draw.integers(1, VOCABULARY, length).tolist() for length in draw.integers(1, 6, 4)]
        found.append([Request((*context, *answer), len(answer)) for answer in answers])
    return found


def naive(model, request):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([request.ids[:-1]])).logits[0, -request.num_targets :]
    targets = torch.tensor(request.ids[-request.num_targets :])
    values = logits.log_softmax(dim=-1).gather(1, targets[:, None])
    return float(values.double().sum()), bool((logits.argmax(dim=-1) == targets).all())


@pytest.mark.parametrize("name", MODELS)
def test_likelihoods_are_those_of_plain_passes(name):
    model = model_of(name)
    scorer = Scorer(model)
    assert scorer.takes_trees == (name in ("gpt2", "llama"))
    asked = items()
    for requests, scored in zip(asked, scorer.score(asked), strict=True):
        for request, found in zip(requests, scored, strict=True):
            expected, is_greedy = naive(model, request)
            assert found.log_likelihood == pytest.approx(expected, abs=1e-5 * request.num_targets, rel=0)
            assert found.is_greedy == is_greedy


@pytest.mark.parametrize("tokens", [1, 100, 100_000])
def test_the_size_of_batches_changes_nothing(tokens):
    model, asked = model_of("gpt2"), items()
    expected, found = (Scorer(model, tokens_in_a_batch=size).score(asked) for size in (500, tokens))
    values = [[each.log_likelihood for scored in of for each in scored] for of in (expected, found)]
    assert np.allclose(*values, rtol=0, atol=1e-5)


def test_few_logits_at_a_time_change_nothing(monkeypatch):
    """But for the last bits: libraries add the products of a smaller matrix in another order on some processors."""
    model, asked = model_of("gpt2").double(), items()
    expected = [each for item in Scorer(model).score(asked) for each in item]
    monkeypatch.setattr(likelihoods, "LOGITS_AT_ONCE", 3 * VOCABULARY)
    scores = [each for item in Scorer(model).score(asked) for each in item]
    assert [each.is_greedy for each in scores] == [each.is_greedy for each in expected]
    likelihood = [each.log_likelihood for each in expected]
    assert [each.log_likelihood for each in scores] == pytest.approx(likelihood, rel=1e-12)


def test_shared_tokens_are_read_once_and_counted():
    model = model_of("gpt2")
    flops = flop_model(model)
    scorer = Scorer(model)
    scorer.score([[Request((*range(1, 41), 50, last), 1) for last in range(4)]])
    work = scorer.work
    assert (work.tokens, work.heads, work.pairs) == (41, 1, 41 * 41)
    assert work.cost(flops).flops == pytest.approx(float(flops.forward(np.array([41])).sum()))
    alone = Scorer(model)
    alone.takes_trees = False
    alone.score([[Request((*range(1, 41), 50 + n, 3), 1)] for n in range(4)])
    assert alone.work.tokens == 4 * 41


def test_the_first_of_equal_logits_is_the_most_likely():
    logits = torch.tensor([[1.0, 3.0, 3.0], [2.0, 1.0, 0.0]])
    rows, tokens = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 0])
    assert likelihoods._is_most_likely(logits, rows, tokens).tolist() == [True, False, True]
