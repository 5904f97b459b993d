"""Samples: from the right distribution, whatever else is drawn beside them."""

import numpy as np
import pytest
import torch
from scipy import stats
from toys import VOCABULARY, toy_model

from winnow.models.generate import generate_greedy
from winnow.models.sampling import draw_samples, noise

OPTIONS = {"num_samples": 3, "seed": 5, "temperature": 1.0, "max_new_tokens": 8, "eos_id": 0, "batch_size": 4}


def prompts_of(count=7, seed=1):
    rng = np.random.default_rng(seed)
    prompts = [rng.integers(1, VOCABULARY, rng.integers(1, 12)).tolist() for _ in range(count)]
    return prompts, [f"item{number}" for number in range(count)]


def draw(model, prompts, keys, **options):
    return draw_samples(model, prompts, keys=keys, **OPTIONS | options)


def test_noise_is_gumbels_and_of_its_place_alone():
    whole = np.concatenate([noise(0, "a", 0, place, size=500) for place in range(40)])
    assert stats.kstest(whole, stats.gumbel_r.cdf).pvalue > 0.01
    assert np.array_equal(noise(0, "a", 0, 3, size=500), whole[1500:2000])
    assert np.array_equal(noise(0, "a", 0, 3, size=20), whole[1500:1520]), "a larger vocabulary changes nothing"
    others = [noise(1, "a", 0, 3, size=500), noise(0, "b", 0, 3, size=500), noise(0, "a", 1, 3, size=500)]
    for other in others:
        assert abs(np.corrcoef(whole[1500:2000], other)[0, 1]) < 0.2 and not np.isin(other, whole).any()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_samples_depend_neither_on_their_batch_nor_on_their_neighbours(kind):
    model, (prompts, keys) = toy_model(kind, spread=0.3), prompts_of()
    whole = draw(model, prompts, keys)
    assert [len(each) for each in whole.samples] == [3] * 7
    assert len({tuple(sample) for each in whole.samples for sample in each}) > 15
    for size in (1, 100):
        assert draw(model, prompts, keys, batch_size=size) == whole
    turned = draw(model, prompts[::-1], keys[::-1])
    assert turned.samples == whole.samples[::-1]
    more = draw(model, prompts[:2], keys[:2], num_samples=5)
    assert [each[:3] for each in more.samples] == whole.samples[:2]
    assert draw(model, prompts, keys, seed=6).samples != whole.samples


def test_first_tokens_follow_the_softmax_at_the_temperature():
    model, prompt = toy_model("llama", spread=0.3), [3, 4, 5]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1].double()
    for temperature in (0.5, 1.0, 2.0):
        drawn = draw(
            model, [prompt], ["p"], num_samples=4000, max_new_tokens=1, eos_id=-1, temperature=temperature,
            batch_size=4000,
        )  # fmt: skip
        counts = np.bincount([sample[0] for sample in drawn.samples[0]], minlength=VOCABULARY)
        expected = torch.softmax(logits / temperature, -1).numpy() * 4000
        frequent = expected >= 5
        observed = [*counts[frequent], counts[~frequent].sum()]
        assert stats.chisquare(observed, [*expected[frequent], expected[~frequent].sum()]).pvalue > 0.001


def test_later_tokens_are_drawn_after_what_was_drawn_before():
    """Two tokens of a model: their joint frequencies are the product of its conditional probabilities."""
    model = toy_model("llama", spread=0.3)
    model.lm_head.weight.data[4:] = -1e4 * model.lm_head.weight.data[:1].sign()  # hardly any weight but on four tokens
    drawn = draw(model, [[7]], ["p"], num_samples=3000, max_new_tokens=2, eos_id=-1, batch_size=3000).samples[0]
    with torch.no_grad():
        first = torch.softmax(model(input_ids=torch.tensor([[7]])).logits[0, -1].double(), -1)
        then = torch.softmax(
            model(input_ids=torch.tensor([[7, token] for token in range(VOCABULARY)])).logits[:, -1].double(), -1
        )
    joint = (first.unsqueeze(1) * then).numpy() * len(drawn)
    counts = np.zeros_like(joint)
    np.add.at(counts, tuple(np.array(drawn).T), 1)
    frequent = joint >= 5
    assert frequent.sum() > 8
    observed = [*counts[frequent], counts[~frequent].sum() + 1e-9]
    expected = np.array([*joint[frequent], joint[~frequent].sum() + 1e-9])
    assert stats.chisquare(observed, expected * sum(observed) / expected.sum()).pvalue > 0.001


def test_almost_no_temperature_is_the_greedy_answer_and_ends_where_that_ends():
    model, (prompts, keys) = toy_model("gpt2", spread=0.5), prompts_of()
    free = generate_greedy(model, prompts, max_new_tokens=8, eos_id=-1, batch_size=1).completions
    end = max({token for row in free for token in row}, key=lambda token: sum(token in row[1:] for row in free))
    greedy = generate_greedy(model, prompts, max_new_tokens=8, eos_id=end, batch_size=4)
    cold = draw(model, prompts, keys, temperature=1e-6, eos_id=end)
    assert cold.samples == [[row] * 3 for row in greedy.completions]
    assert cold.tokens == 3 * greedy.tokens
