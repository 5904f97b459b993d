import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from represent_support import make_model, make_pool, run, toys
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.recipe import HiddenStatesRecipe, IfdRecipe, LossRecipe
from winnow.selection.losses import begin_ids, row_losses, with_and_without_prompt
from winnow.selection.proxy import Proxy, Tokens

SMALL = {"batch_size": 8, "shard_size": 16}


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))


def pairs(tmp_path):
    table = pq.read_table(tmp_path / "pool" / "train.parquet")
    return zip(table["prompt_ids"].to_pylist(), table["completion_ids"].to_pylist(), strict=True)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("over", ["completion", "all"])
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_the_loss_is_that_of_a_plain_forward_pass(tmp_path, kind, over, reduce):
    inputs = {"pool": make_pool(tmp_path / "pool", 20, 3), "model": make_model(tmp_path / "model", kind)}
    _, scores = run(tmp_path / "a", LossRecipe(over=over, reduce=reduce, **SMALL), inputs)
    model, take = toys.toy_model(kind, spread=0.2), {"mean": np.mean, "sum": np.sum}[reduce]
    plain = [take(toys.naive_losses(model, p + c, len(p) if over == "completion" else 1)) for p, c in pairs(tmp_path)]
    assert scores == pytest.approx(plain, rel=1e-5) and scores.dtype == np.float64


@pytest.mark.parametrize("ratio", ["perplexity", "loss"])
@pytest.mark.parametrize("begin", [0, None])
def test_ifd_is_the_ratio_of_two_plain_passes(tmp_path, ratio, begin):
    model = toys.toy_model(spread=0.2)
    model.config.bos_token_id = model.config.eos_token_id = begin
    inputs = {"pool": make_pool(tmp_path / "pool", 20, 3), "model": make_model(tmp_path / "model", model=model)}
    outcome, scores = run(tmp_path / "a", IfdRecipe(ratio=ratio, **SMALL), inputs)
    expected = []
    for prompt, completion in pairs(tmp_path):
        after = [toys.naive_losses(model, prompt + completion, len(prompt) + (begin is None))]
        after += [toys.naive_losses(model, [begin, *completion] if begin is not None else completion, 1)]
        with_prompt, without = np.mean(after[0]), np.mean(after[1])
        assert len(after[0]) == len(after[1])
        expected.append(np.exp(with_prompt) / np.exp(without) if ratio == "perplexity" else with_prompt / without)
    assert scores == pytest.approx(expected, rel=1e-4)
    assert outcome.costs["represent"].tokens > sum(len(p) + 2 * len(c) for p, c in pairs(tmp_path))


def test_ifd_costs_both_passes_and_the_head_at_targets_alone(tmp_path):
    ifd = run(tmp_path / "a", IfdRecipe(**SMALL))[0].costs["represent"]
    loss = run(tmp_path / "b", LossRecipe(**SMALL))[0].costs["represent"]
    states = run(tmp_path / "c", HiddenStatesRecipe(**SMALL))[0].costs["represent"]
    costs = flop_model(toys.toy_model()).forward
    bare = [
        len(completion) + 1
        for name in ("train", "target")
        for completion in pq.read_table(tmp_path / "pool" / f"{name}.parquet")["completion_ids"].to_pylist()
    ]
    assert ifd.flops - loss.flops == pytest.approx(costs(np.array(bare)).sum())
    assert ifd.tokens - loss.tokens == sum(bare)
    targets = sum(bare) - len(bare)
    assert loss.executed_flops - states.executed_flops == pytest.approx(costs.head * targets)


def test_an_example_without_a_prompt_begins_with_what_begins_a_text():
    prompted, bare = with_and_without_prompt(["a", "b"], Tokens([[], [5]], [[7, 8], [9, 9]]), [3])
    assert [prompted.row(i).tolist() for i in range(2)] == [[3, 7, 8], [5, 9, 9]]
    assert [bare.row(i).tolist() for i in range(2)] == [[3, 7, 8], [3, 9, 9]]
    assert prompted.target_from.tolist() == bare.target_from.tolist() == [1, 1]


def test_a_text_begins_with_the_models_first_token():
    model = toys.toy_model()
    model.config.bos_token_id, model.config.eos_token_id = None, 7
    assert begin_ids(model) == [7]
    model.config.bos_token_id = 0
    assert begin_ids(model) == [0]


@pytest.mark.slow
def test_a_prompt_that_helps_lowers_ifd():
    """In a model that has learnt that ten comes after one, eleven after two, and any of them in an empty text."""
    torch.manual_seed(0)
    model = toys.toy_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        first = torch.randint(1, 10, (64, 1))
        with_prompt = torch.cat([first, first, first + 9], dim=1)
        bare = torch.cat([torch.zeros_like(first), first + 9], dim=1)
        for ids in (with_prompt, bare):
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tokens, means = Tokens([[3, 3], [4, 4]], [[12], [12]]), []
    for rows in with_and_without_prompt(["right", "wrong"], tokens, [0]):
        sums, counts = row_losses(Proxy(model.eval(), 2), Losses(model), rows, lambda done: None)
        means.append(sums / counts)
    right, wrong = np.exp(means[0] - means[1])
    assert right < 0.6 and wrong > 1.2
