import numpy as np
import pytest
import torch
from toys import VOCABULARY, toy_model

from winnow.errors import RecipeError
from winnow.models import generate
from winnow.models.generate import RoomyLayer, check_context, closed_up, context_of, generate_greedy

NEW = 12


def prompts_of(count=9, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, VOCABULARY, rng.integers(1, 20)).tolist() for _ in range(count)]


def by_transformers(model, prompts, eos_id):
    """Each prompt alone through `generate`."""
    found = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW,
            eos_token_id=eos_id, pad_token_id=0,
        )  # fmt: skip
        new = out[0, len(prompt) :].tolist()
        found.append(new[: new.index(eos_id)] if eos_id in new else new)
    return found


def lively(kind):
    """A model, its prompts, and as end token one that it writes at various places."""
    model, prompts = toy_model(kind, spread=0.5), prompts_of()
    free = generate_greedy(model, prompts, max_new_tokens=NEW, eos_id=-1, batch_size=1).completions
    written = [token for row in free for token in row[2:-2]]
    return model, prompts, max(sorted(set(written)), key=lambda token: sum(token in row for row in free))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.slow
def test_greedy_outputs_are_those_of_transformers(kind):
    model, prompts, eos_id = lively(kind)
    expected = by_transformers(model, prompts, eos_id)
    assert len({len(row) for row in expected}) > 1
    for batch_size in (1, 4, 100):
        found = generate_greedy(model, prompts, max_new_tokens=NEW, eos_id=eos_id, batch_size=batch_size)
        assert found.completions == expected
        assert found.tokens == sum(min(len(row) + 1, NEW) for row in expected)


@pytest.mark.parametrize("ends", [[0], [5], [0, 1, 2], [1, 4, 5], [0, 2, 4], []])
def test_finished_rows_are_filled_by_the_last_ones(ends):
    goes_on = torch.tensor([row not in ends for row in range(6)])
    rows = closed_up(goes_on)
    assert sorted(rows.tolist()) == goes_on.nonzero()[:, 0].tolist()
    assert [row for at, row in enumerate(rows.tolist()) if at != row and goes_on[at]] == []


def test_a_cache_keeps_the_rows_that_it_is_told_to():
    layer, keys, values = RoomyLayer(rows=5, capacity=9), *torch.randn(2, 5, 2, 3, 4)
    layer.update(keys, values)
    for kept in ([0, 4, 2, 3], [3, 1]):
        layer.batch_select_indices(torch.tensor(kept))
        keys, values = keys[kept], values[kept]
        new = torch.randn(2, len(kept), 2, 1, 4)
        keys, values = torch.cat([keys, new[0]], dim=2), torch.cat([values, new[1]], dim=2)
        found = layer.update(*new)
        assert torch.equal(found[0], keys) and torch.equal(found[1], values)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("tokens", [1, 30])
@pytest.mark.slow
def test_prompts_read_a_few_at_a_time_get_the_same_answers(kind, tokens, monkeypatch):
    model, prompts, eos_id = lively(kind)
    options = {"max_new_tokens": NEW, "eos_id": eos_id, "batch_size": 100}
    whole = generate_greedy(model, prompts, **options)
    monkeypatch.setattr(generate, "tokens_at_once", lambda device: tokens)
    assert generate_greedy(model, prompts, **options) == whole


def test_an_end_at_once_is_an_empty_answer():
    model, prompts = toy_model(spread=0.5), prompts_of(1)
    [first, *_] = generate_greedy(model, prompts, max_new_tokens=1, eos_id=-1, batch_size=1).completions[0]
    found = generate_greedy(model, prompts, max_new_tokens=NEW, eos_id=first, batch_size=1)
    assert found.completions == [[]] and found.tokens == 1


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_long_prompts_lose_their_beginning(kind):
    model = toy_model(kind, spread=0.5)
    long = np.random.default_rng(0).integers(1, VOCABULARY, 200).tolist()
    options = {"max_new_tokens": NEW, "eos_id": 0, "batch_size": 2}
    whole = generate_greedy(model, [long, long[:3]], **options)
    assert whole.completions == generate_greedy(model, [long[-(96 - NEW) :], long[:3]], **options).completions


@pytest.mark.parametrize("new", [96, 200])
def test_answers_that_fill_the_context_are_refused(new):
    with pytest.raises(RecipeError, match=f"evaluation.max_new_tokens is {new}; the model takes 96"):
        generate_greedy(toy_model(), [[1, 2, 3]], max_new_tokens=new, eos_id=0, batch_size=1)


def test_generation_leaves_the_mode_as_it_was():
    model = toy_model().train()
    generate_greedy(model, [[1, 2]], max_new_tokens=2, eos_id=0, batch_size=1)
    assert model.training


def test_examples_beyond_the_context_are_refused():
    model = toy_model()
    assert context_of(model) == 96
    check_context(model, 96)
    with pytest.raises(RecipeError, match=r"longest example has 97 tokens, the model takes 96; lower pool.max_tokens"):
        check_context(model, 97)
