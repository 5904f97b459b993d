"""Rows of plain text against plain loops over documents; and runs on them, killed, side by side, over again."""

import dataclasses
import hashlib
from itertools import islice

import numpy as np
import pytest

from winnow.budget import Allowance, allowance, left_by, plan_rows, run_tokens
from winnow.errors import BudgetError, NotAffordableError
from winnow.mixing.schedule import Knot, Schedule, cumulative
from winnow.recipe import BudgetRecipe
from winnow.text.token_cache import TokenCache, write_cache
from winnow.training import text_rows
from winnow.training.text_rows import Stream, TextBatches, TextPool

CONTEXT, SEED = 8, 3
SIZES = {"books": 5, "web": 30, "notes": 1}
"""Source -> documents; that of one document is shorter than a row."""


def cache_of(folder, name, documents):
    rng = np.random.default_rng(len(name))
    folder.mkdir()
    write_cache(folder, [[*rng.integers(1, 250, rng.integers(1, 20)), 0] for _ in range(documents)], np.dtype("u2"))
    return TokenCache.open(folder)


@pytest.fixture
def pool(tmp_path):
    def build(shares=None, schedule=None, seed=SEED):
        streams = []
        for name, documents in SIZES.items():
            folder = tmp_path / name
            cache = TokenCache.open(folder) if folder.exists() else cache_of(folder, name, documents)
            streams.append(Stream(name, cache, seed=seed))
        return TextPool(tuple(streams), schedule or Schedule.constant(shares or {"books": 0.5, "web": 0.5}), CONTEXT)

    return build


def plain_stream(name, cache, seed):
    """All tokens of a source's stream, document by document."""
    key = seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    epoch = 0
    while True:
        for document in np.random.default_rng([*key, epoch]).permutation(len(cache.lengths)):
            yield from cache.document(document).tolist()
        epoch += 1


@pytest.mark.parametrize("name", SIZES)
def test_rows_are_the_stretches_of_an_endless_stream_of_shuffled_documents(pool, name):
    stream = next(each for each in pool().streams if each.name == name)
    expected = list(islice(plain_stream(name, stream.cache, SEED), 40 * CONTEXT))
    read = np.concatenate([stream.read(row * CONTEXT, CONTEXT) for row in range(40)])
    assert read.tolist() == expected
    for row in (39, 0, 17, 38):  # in any order
        assert stream.read(row * CONTEXT, CONTEXT).tolist() == expected[row * CONTEXT : (row + 1) * CONTEXT]


def test_each_epoch_reads_every_document_once_in_an_order_of_its_own(pool):
    stream = pool().streams[1]
    size = stream.epoch_tokens
    epochs = [stream.read(epoch * size, size).tolist() for epoch in range(3)]
    whole = sorted(tuple(stream.cache.document(number).tolist()) for number in range(30))

    def documents(tokens):
        ends = [0, *(place + 1 for place, token in enumerate(tokens) if token == 0)]
        return [tuple(tokens[a:b]) for a, b in zip(ends, ends[1:], strict=False)]

    assert all(sorted(documents(epoch)) == whole for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_shares_hold_at_every_prefix_to_less_than_a_row(pool):
    schedule = Schedule(
        (Knot(0, {"web": 1.0}), Knot(0.3, {"books": 0.7, "web": 0.2, "notes": 0.1}), Knot(1, {"books": 1.0}))
    )
    found = pool(schedule=schedule)
    rows = found.rows(500)
    asked = cumulative(schedule, list(SIZES), 500)
    for number in range(3):
        placed = np.concatenate([[0], np.cumsum(rows.order == number)])
        assert np.abs(placed - asked[:, number]).max() < 1 + 1e-6


def test_a_row_is_the_same_whatever_is_read_before_it_and_at_once(pool):
    plan = plan_rows(
        Allowance("tokens", 60 * CONTEXT), unique_rows=9, row_tokens=CONTEXT, row_flops=1, global_batch_size=6
    )
    whole = pool().rows(60).ids(range(60))

    def batches(size, steps):
        made = TextBatches(pool().rows(60), plan, global_batch_size=6, micro_batch_size=size)
        return [batch for step in steps for batch in made.micro_batches(step)]

    for size in (1, 4, 6, 100):
        found = batches(size, range(10))
        assert [row for batch in found for row in batch.rows] == list(range(60))
        assert np.concatenate([batch.ids.numpy() for batch in found]).tolist() == whole.tolist()
    late = batches(4, [9, 7])  # a run that goes on reads nothing of what was before
    assert (
        np.concatenate([batch.ids.numpy() for batch in late]).tolist()
        == whole[[*range(54, 60), *range(42, 48)]].tolist()
    )


def test_every_token_but_the_first_of_a_row_is_a_target(pool):
    plan = plan_rows(Allowance("visits", 4), unique_rows=9, row_tokens=CONTEXT, row_flops=1, global_batch_size=4)
    (batch,) = TextBatches(pool().rows(4), plan, global_batch_size=4, micro_batch_size=4).micro_batches(0)
    assert batch.is_target.tolist() == [[False, *[True] * (CONTEXT - 1)]] * 4 and batch.real_tokens == 4 * CONTEXT


def test_seeds_read_other_rows_and_names_say_which(pool):
    one, other = pool(seed=0).rows(20), pool(seed=1).rows(20)
    assert one.order.tolist() == other.order.tolist() and one.ids(range(20)).tolist() != other.ids(range(20)).tolist()
    assert (one.names[0], one.names[3], len(one.names)) == ("books:row0", "web:row1", 20)


def test_records_say_what_was_asked_and_what_was_read(pool):
    found = pool({"books": 0.25, "web": 0.7, "notes": 0.05})
    told = found.record(found.rows(100))
    assert [row["rows"] for row in told["sources"]] == [25, 70, 5]
    for row, stream in zip(told["sources"], found.streams, strict=True):
        assert row["realised_share"] == pytest.approx(row["asked_share"], abs=0.01)
        assert row["epochs"] == pytest.approx(row["rows"] * CONTEXT / stream.epoch_tokens)
        assert row["effective_tokens"] <= min(row["tokens"], 17 * row["unique_tokens"]) + 1e-9
    assert told["rows"][-1] == 100 and told["rows_by_source"][-1] == [25, 70, 5]
    assert all(sum(row) == at for at, row in zip(told["rows"], told["rows_by_source"], strict=True))


@pytest.mark.parametrize("batch, rows, steps", [(120, 976_560, 8_138), (1, 976_562, 976_562)])
def test_a_billion_tokens_are_whole_steps(batch, rows, steps):
    plan = plan_rows(Allowance("tokens", 1e9), unique_rows=10**6, row_tokens=1024, row_flops=2, global_batch_size=batch)
    assert (plan.visits, plan.steps, plan.tokens, plan.flops) == (rows, steps, rows * 1024, rows * 2)


def test_a_budget_of_less_than_a_row_is_told_and_one_of_less_than_a_step_is_one_step():
    sizes = {"unique_rows": 10, "row_tokens": 100, "row_flops": 5.0}
    with pytest.raises(BudgetError, match="less than one row of 100 tokens"):
        plan_rows(Allowance("tokens", 99), global_batch_size=8, **sizes)
    plan = plan_rows(Allowance("flops", 17), global_batch_size=8, **sizes)
    assert (plan.visits, plan.steps) == (3, 1)


@pytest.mark.parametrize(
    "budget, tokens",
    [({"tokens": 1050}, 1000), ({"examples": 7}, 700), ({"pool_epochs": 0.5}, 2000), ({"flops": 99.0}, 900),
     ({"seconds": 4.0}, 700), ({"dollars": 1.0}, 3500), ({"flops": 0.1}, 100)],
)  # fmt: skip
def test_tokens_of_a_run_follow_from_its_budget(budget, tokens):
    allowed = allowance(BudgetRecipe(**budget), pool_examples=40, flops_per_second=19.0, dollars_per_hour=195.4)
    assert run_tokens(allowed, row_tokens=100, row_flops=10.0) == tokens


def test_what_proxies_take_is_not_there_for_the_run():
    assert left_by(Allowance("flops", 100.0), 0.3).amount == pytest.approx(70)
    with pytest.raises(NotAffordableError, match="take 1.2 of the budget"):
        left_by(Allowance("flops", 100.0), 1.2)


def test_a_run_reads_on_behind_what_was_read_before_and_a_branch_reads_as_its_trunk(pool):
    found = pool()
    whole = found.rows(60)
    before = {name: int((whole.order[:20] == number).sum()) for number, name in enumerate(SIZES)}
    later = dataclasses.replace(found, read_before=before).rows(40)
    for number, name in enumerate(SIZES):
        rows = np.flatnonzero(later.order == number)
        expected = [
            found.streams[number].read((before[name] + rank) * CONTEXT, CONTEXT).tolist() for rank in range(len(rows))
        ]
        assert later.ids(rows).tolist() == expected
    branch = found.rows(25, whole=60)
    assert branch.ids(range(25)).tolist() == whole.ids(range(25)).tolist() and len(branch.names) == 25


def test_rows_do_not_rest_on_how_many_documents_are_at_hand(pool, monkeypatch):
    whole = pool().rows(200).ids(range(200)).tolist()
    for size in (1, 3, 7):
        monkeypatch.setattr(text_rows, "STRETCH_DOCUMENTS", size)
        rows = pool().rows(200)
        assert rows.ids(range(200)).tolist() == whole
        assert rows.ids([150, 3, 77]).tolist() == [whole[150], whole[3], whole[77]]
