import multiprocessing

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from represent_support import (
    LORA,
    examples,
    inputs_in,
    make_model,
    make_pool,
    make_some,
    part_of,
    read,
    run,
    stored,
    toys,
)
from winnow.errors import DataError, RecipeError
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.models.rows import rows_of
from winnow.recipe import (
    ColumnRecipe,
    GradientsRecipe,
    HiddenStatesRecipe,
    IfdRecipe,
    LengthRecipe,
    LossRecipe,
    NgramsRecipe,
)
from winnow.selection import joining, shards
from winnow.selection.features import fit_whitening
from winnow.selection.proxy import pass_cost
from winnow.selection.represent import prepare

SMALL = {"batch_size": 8, "shard_size": 16}
STATES = HiddenStatesRecipe(dimensions=4, **SMALL)
RECIPES = {
    "hidden_states": STATES,
    "gradients": GradientsRecipe(projection=16, adam=True, **SMALL),
    "loss": LossRecipe(**SMALL),
    "ifd": IfdRecipe(**SMALL),
    "length": LengthRecipe(),
    "column": ColumnRecipe(column="quality"),
    "ngrams": NgramsRecipe(buckets=64),
}


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))


@pytest.mark.parametrize("kind", RECIPES)
def test_every_kind_leaves_a_row_per_example_in_the_pools_order(tmp_path, kind):
    outcome, rows = run(tmp_path / "a", RECIPES[kind])
    pool = tmp_path / "pool" / "train.parquet"
    order = np.random.default_rng(0).permutation(50)
    pq.write_table(pq.read_table(pool).take(order), pool)
    _, shuffled = run(tmp_path / "b", RECIPES[kind])
    assert len(rows) == outcome.numbers["examples"] == 50
    assert np.array_equal(shuffled, rows[order]) and len(np.unique(rows, axis=0)) > 5
    assert len(read(tmp_path / "a" / outcome.outputs[1])) == 9
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(outcome.outputs)
    sizes = sum((tmp_path / "a" / name).stat().st_size for name in outcome.outputs)
    assert outcome.numbers["bytes"] == sizes and outcome.numbers["truncated"] == 0


@pytest.mark.parametrize("kind", ["hidden_states", "gradients", "ngrams"])
@pytest.mark.slow
def test_shards_made_backwards_give_the_same_bits(tmp_path, kind):
    _, straight = run(tmp_path / "a", RECIPES[kind])
    (tmp_path / "b").mkdir()
    work = prepare(part_of(RECIPES[kind]), inputs_in(tmp_path), tmp_path / "b")
    for shard in reversed(work.shards):
        work.make(shard)
    outcome, backwards = run(tmp_path / "b", RECIPES[kind])
    assert np.array_equal(straight, backwards)
    assert outcome.numbers["examples"] == 50


@pytest.mark.slow
def test_shards_made_by_two_processes_give_the_same_bits(tmp_path):
    _, alone = run(tmp_path / "a", STATES)
    (tmp_path / "b").mkdir()
    fork = multiprocessing.get_context("fork")  # so that torch is imported once
    both = [fork.Process(target=make_some, args=(tmp_path, tmp_path / "b", STATES, i)) for i in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(list((tmp_path / "b" / "shards").glob("*.npz"))) == 5
    assert np.array_equal(run(tmp_path / "b", STATES)[1], alone)


def test_a_killed_run_makes_only_what_is_missing_and_still_counts_all_of_it(tmp_path, monkeypatch):
    whole, rows = run(tmp_path / "a", STATES)
    made, compute = [], shards.make_shard

    def killed_at_the_third(extractor, examples, shard, folder, tell):
        if len(made) == 2:
            (folder / ".train.0000000032.npz.1.partial").write_bytes(b"half")
            raise KeyboardInterrupt
        made.append(shard.start)
        compute(extractor, examples, shard, folder, tell)

    ticks = iter(range(0, 100_000, 100))
    with monkeypatch.context() as patch:
        patch.setattr(shards, "perf_counter", lambda: next(ticks))
        patch.setattr("winnow.selection.represent.make_shard", killed_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "b", STATES)
    assert made == [0, 16]
    states = []
    pooled = "winnow.selection.hidden_states.pooled_hidden_states"
    from winnow.selection.hidden_states import pooled_hidden_states

    monkeypatch.setattr(pooled, lambda p, r, *rest: states.append(len(r.names)) or pooled_hidden_states(p, r, *rest))
    outcome, again = run(tmp_path / "b", STATES)
    assert states == [16, 2, 9] and np.array_equal(again, rows)
    cost, uninterrupted = outcome.costs["represent"], whole.costs["represent"]
    assert 200 < cost.seconds < 300 and uninterrupted.seconds < 100
    assert (cost.flops, cost.tokens, cost.padded_tokens) == (
        uninterrupted.flops, uninterrupted.tokens, uninterrupted.padded_tokens)  # fmt: skip
    assert not (tmp_path / "b" / "shards").exists()


def test_a_shard_is_seen_only_when_complete(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    work = prepare(part_of(STATES), inputs_in(tmp_path), tmp_path / "a")

    def full_disk(path):
        raise OSError("no space left on device")

    monkeypatch.setattr("winnow.files.sync", full_disk)
    with pytest.raises(OSError, match="no space"):
        work.make(work.shards[0])
    assert list(work.folder.iterdir()) == []


def test_the_cost_is_that_of_one_pass_at_real_lengths(tmp_path):
    outcome, _ = run(tmp_path / "a", STATES)
    cost, model = outcome.costs["represent"], flop_model(loading.load_model(stored(tmp_path / "model")))
    tables = [pq.read_table(tmp_path / "pool" / name) for name in ("train.parquet", "target.parquet")]
    lengths = [
        np.array([len(row["prompt_ids"]) + len(row["completion_ids"]) for row in table.to_pylist()]) for table in tables
    ]
    assert cost.tokens == sum(each.sum() for each in lengths) < cost.padded_tokens
    assert cost.flops == pytest.approx(sum(model.forward(each).sum() for each in lengths))
    assert cost.flops_6n == pytest.approx(2 * model.parameters * cost.tokens)
    widths = []
    for each in lengths:
        for start in range(0, len(each), 16):
            shard = np.sort(each[start : start + 16])
            widths += [(len(batch), batch.max()) for batch in (shard[:8], shard[8:]) if len(batch)]
    assert cost.padded_tokens == sum(rows * width for rows, width in widths)
    body = sum(rows * (model.forward.body * width + model.forward.attention * width**2) for rows, width in widths)
    assert cost.executed_flops == pytest.approx(body)


def test_little_is_padded_at_lengths_as_they_are():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(4.9, 0.5, 4096), 20, 512).astype(int)
    rows = rows_of([""] * 4096, [np.zeros(n, dtype=np.int32) for n in lengths], np.ones(4096, dtype=np.int64))
    cost = pass_cost(flop_model(toys.toy_model()).forward, 0.0, rows, 64, head="none")
    assert 1 <= cost.padded_tokens / cost.tokens < 1.05


def test_whitening_takes_the_whole_pool_and_treats_the_target_alike(tmp_path):
    run(tmp_path / "a", STATES)
    raw = STATES.model_copy(update={"dimensions": None})
    outcome, states = run(tmp_path / "b", raw)
    assert states.shape == (50, 32) and outcome.numbers["dimensions"] == 32
    whitening = fit_whitening(states, 4)
    assert np.load(tmp_path / "a" / "vectors.npy") == pytest.approx(whitening.apply(states), abs=1e-4)
    target = whitening.apply(np.load(tmp_path / "b" / "target_vectors.npy"))
    assert np.load(tmp_path / "a" / "target_vectors.npy") == pytest.approx(target, abs=1e-4)


def test_vectors_can_be_stored_in_half_the_space(tmp_path):
    outcome, exact = run(tmp_path / "a", STATES)
    half, rows = run(tmp_path / "b", STATES.model_copy(update={"dtype": "float16"}))
    assert rows.dtype == np.float16 and np.array_equal(rows, exact.astype(np.float16))
    assert half.numbers["bytes"] < outcome.numbers["bytes"]


def test_vectors_that_do_not_fit_are_refused(tmp_path):
    path, order = tmp_path / "vectors.npy", np.arange(2)
    shards.leave(tmp_path / "s.npz", lambda: shards.Computed(np.full((2, 3), 1e6, np.float32)))
    with pytest.raises(RecipeError, match=r"vectors reach 1e\+06, too large for float16; set dtype: float32"):
        joining.join_vectors(
            {path: [tmp_path / "s.npz"]}, {path: order}, fitted_on=path, dimensions=None, dtype="float16"
        )


def test_another_models_tokens_are_its_own(tmp_path):
    inputs = inputs_in(tmp_path)
    _, own = run(tmp_path / "a", STATES, inputs)
    outcome, anew = run(tmp_path / "b", STATES, inputs | {"tokenizer": inputs["model"]})
    assert np.array_equal(own, anew)
    short = toys.toy_model().config
    short.n_positions = 48
    from transformers import AutoModelForCausalLM

    model = make_model(tmp_path / "short", model=AutoModelForCausalLM.from_config(short))
    outcome, _ = run(tmp_path / "c", STATES, inputs | {"model": model, "tokenizer": model})
    lengths = [
        len(row["prompt_ids"]) + len(row["completion_ids"])
        for name in ("train", "target")
        for row in pq.read_table(tmp_path / "pool" / f"{name}.parquet").to_pylist()
    ]
    cut = sum(length > 48 for length in lengths)
    assert outcome.numbers["truncated"] == cut > 0
    assert outcome.costs["represent"].tokens == sum(min(48, length) for length in lengths)
    with pytest.raises(RecipeError, match=r"the model takes 48; lower pool\.max_tokens"):
        run(tmp_path / "d", STATES, inputs | {"model": model})


def test_a_damaged_model_is_refused(tmp_path):
    model = toys.toy_model()
    model.transformer.wte.weight.data[:] = float("nan")
    inputs = {"pool": make_pool(tmp_path / "pool"), "model": make_model(tmp_path / "model", model=model)}
    with pytest.raises(DataError, match="hold NaN or infinity"):
        run(tmp_path / "a", STATES, inputs)


def test_a_pool_without_a_target_leaves_none(tmp_path):
    inputs = {"pool": make_pool(tmp_path / "pool", target=0)}
    outcome, rows = run(tmp_path / "a", LengthRecipe(of="completion"), inputs)
    assert outcome.outputs == ("scores.npy",) and rows.dtype == np.float64
    table = pq.read_table(tmp_path / "pool" / "train.parquet")
    assert rows.tolist() == [len(ids) for ids in table["completion_ids"].to_pylist()]
    whole = run(tmp_path / "b", LengthRecipe(), inputs)[1]
    assert whole.tolist() == [len(r["prompt_ids"]) + len(r["completion_ids"]) for r in table.to_pylist()]
    assert outcome.costs["represent"].flops == 0 and "dimensions" not in outcome.numbers


def test_scores_that_the_data_bring(tmp_path):
    _, rows = run(tmp_path / "a", ColumnRecipe(column="quality"))
    assert rows.tolist() == [dict(each.scores)["quality"] for each in examples(50, 1)]
    with pytest.raises(DataError, match=r"gives no score 'depth'; say where it stands: `scores: \{depth: <column>\}`"):
        run(tmp_path / "b", ColumnRecipe(column="depth"))


def test_the_adapter_is_asked_for(tmp_path):
    assert part_of(RECIPES["gradients"]).lora == LORA
    with pytest.raises(RecipeError, match="projection is 3; the adapter has 6 modules"):
        run(tmp_path / "a", GradientsRecipe(projection=3))
