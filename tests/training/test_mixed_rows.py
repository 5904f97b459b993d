"""Mixtures of examples: shares of tokens at every prefix, epochs by source, every budget, and what cannot be mixed."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from winnow.budget import Allowance
from winnow.errors import BudgetError, DataError, RecipeError
from winnow.mixing.schedule import accumulated
from winnow.recipe.mixture import MixtureRecipe
from winnow.training.mixed_rows import by_source

NAMES = ("sums", "talks", "code")
SIZES = {"sums": (300, 5, 12), "talks": (40, 80, 300), "code": (120, 20, 60)}
"""Source -> rows, shortest, longest."""
GIVEN = {"sums": 0.2, "talks": 0.5, "code": 0.3}
SWITCH = {"between": "step", "knots": [{"at": 0, "shares": {"sums": 1.0}}, {"at": 0.5, "shares": GIVEN}]}


def mixed(mixture, *, seed=0, names=NAMES):
    draw = np.random.default_rng(5)
    lengths = np.concatenate([draw.integers(low, high + 1, size=count) for count, low, high in SIZES.values()])
    sources = np.repeat(list(SIZES), [count for count, _, _ in SIZES.values()])
    shuffled = draw.permutation(len(lengths))
    asked = TypeAdapter(MixtureRecipe).validate_python(mixture)
    return by_source(asked, names, sources[shuffled].tolist(), lengths[shuffled], seed=seed), sources[shuffled]


def order_of(rows, unit="tokens", amount=30_000):
    return rows.order(Allowance(unit, amount), 3.0 * rows.lengths + 7)


@pytest.mark.parametrize("mixture", [GIVEN, "equal", SWITCH, {"name": "temperature", "options": {"temperature": 3}}])
@pytest.mark.parametrize(("unit", "amount"), [("tokens", 30_000), ("visits", 700), ("flops", 90_000)])
def test_every_prefix_has_its_shares_of_the_tokens_to_the_longest_row(mixture, unit, amount):
    rows, source_of = mixed(mixture)
    order = order_of(rows, unit, amount)
    assert [NAMES[number] for number in order.sources] == source_of[order.rows].tolist()
    tokens = rows.lengths[order.rows]
    read = np.cumsum(np.eye(3)[order.sources] * tokens[:, None], axis=0)
    done = np.cumsum(tokens)
    asked = accumulated(order.schedule, NAMES, done.astype(float), float(done[-1]))
    slack = 1.0 if mixture != SWITCH else 1.5  # its half time is that of the budget, not of the last row that fits
    assert np.abs(read - asked).max() <= slack * rows.lengths.max() + 1


@pytest.mark.parametrize(("unit", "amount"), [("tokens", 30_000), ("visits", 700), ("flops", 90_000)])
@pytest.mark.parametrize("mixture", [GIVEN, SWITCH])
def test_a_run_ends_before_the_first_visit_too_many(mixture, unit, amount):
    rows, _ = mixed(mixture)
    flops = 3.0 * rows.lengths + 7
    order = order_of(rows, unit, amount)
    each = {"visits": np.ones(len(flops)), "tokens": rows.lengths, "flops": flops}[unit]
    spent = each[order.rows].sum()
    assert spent <= amount < spent + each.max()
    plan = rows.plan(order, flops, global_batch_size=16)
    assert (plan.visits, plan.steps) == (len(order.rows), -(-len(order.rows) // 16))
    assert plan.tokens == rows.lengths[order.rows].sum() and plan.flops == pytest.approx(flops[order.rows].sum())
    assert plan.examples == len(flops) and plan.epochs == pytest.approx(plan.visits / plan.examples)


def test_each_source_is_read_through_before_any_of_its_rows_comes_again():
    rows, source_of = mixed(GIVEN)
    order = order_of(rows, amount=60_000)
    for number, name in enumerate(NAMES):
        own = order.rows[order.sources == number]
        count = int((source_of == name).sum())
        epochs = [own[start : start + count] for start in range(0, len(own), count)]
        assert all(len(set(epoch.tolist())) == len(epoch) for epoch in epochs)
        if len(epochs) > 2:
            assert set(epochs[0].tolist()) == set(epochs[1].tolist()) and epochs[0].tolist() != epochs[1].tolist()
    assert len(order.rows[order.sources == 1]) > 2 * SIZES["talks"][0]  # the small source is read again and again


def test_the_order_is_that_of_the_seed_and_no_shares_are_of_chance():
    rows, _ = mixed(GIVEN)
    again, other = order_of(mixed(GIVEN)[0]), order_of(mixed(GIVEN, seed=1)[0])
    order = order_of(rows)
    assert np.array_equal(order.rows, again.rows) and not np.array_equal(order.rows[:50], other.rows[:50])
    shares = [np.bincount(each.sources, weights=rows.lengths[each.rows]) / rows.lengths[each.rows].sum()
              for each in (order, other)]  # fmt: skip
    assert np.abs(shares[0] - shares[1]).max() < 2 * rows.lengths.max() / 30_000


def test_a_shorter_run_of_constant_shares_begins_a_longer_one():
    rows, _ = mixed(GIVEN)
    short, long = order_of(rows, amount=9_000), order_of(rows, amount=30_000)
    assert np.array_equal(short.rows, long.rows[: len(short.rows)]) and len(short.rows) < len(long.rows)


def test_records_say_what_was_read_in_tokens():
    rows, _ = mixed(GIVEN)
    order = order_of(rows)
    told = rows.record(order)
    read = {each["source"]: each for each in told["sources"]}
    for number, name in enumerate(NAMES):
        tokens = rows.lengths[order.rows[order.sources == number]].sum()
        assert read[name]["tokens"] == tokens and read[name]["asked_share"] == pytest.approx(GIVEN[name])
        assert read[name]["epochs"] == pytest.approx(tokens / rows.lengths[rows.members[number]].sum())
        assert abs(read[name]["realised_share"] - GIVEN[name]) < rows.lengths.max() / 30_000
    assert sum(each["realised_share"] for each in told["sources"]) == pytest.approx(1)
    assert told["rows"][-1] == len(order.rows) == sum(told["rows_by_source"][-1])
    by_rows = told["rows_by_source"][-1][1] / told["rows"][-1]
    assert by_rows < 0.15  # half of the tokens, and few of the rows: shares are no shares of rows


def test_caps_count_the_tokens_of_the_rows_that_are_trained_on():
    rows, _ = mixed({"name": "unimax", "options": {"max_epochs": 1}})
    told = rows.record(order_of(rows, amount=10_000))
    assert max(each["epochs"] for each in told["sources"]) < 1 + rows.lengths.max() / 1000
    with pytest.raises(RecipeError, match="tokens"):
        order_of(rows, amount=10**6)


def test_what_cannot_be_mixed_is_one_line():
    with pytest.raises(DataError, match=r"is of source 'music'.*leave it out of pool.sources"):
        mixed("equal", names=(*NAMES, "music"))
    with pytest.raises(BudgetError, match="less than one example"):
        order_of(mixed({"talks": 1.0})[0], amount=3)
