from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.budget import (
    Allowance,
    allowance,
    plan_rows,
    plan_visits,
    run_tokens,
    selected_size,
    steps_for,
    visit_order,
)
from winnow.errors import BudgetError
from winnow.recipe import BudgetRecipe

light = settings(max_examples=60, deadline=None)
lengths = st.lists(st.integers(1, 50), min_size=1, max_size=12)


def walk(costs, amount, seed):
    """Rows visited one by one until the next visit would be one too many."""
    spent, visited, epoch = 0, [], 0
    while True:
        for row in visit_order(len(costs), seed=seed, epoch=epoch):
            spent += costs[row]
            if spent > amount:
                return visited
            visited.append(int(row))
        epoch += 1


@pytest.mark.parametrize("unit", ["visits", "tokens", "flops"])
@light
@given(tokens=lengths, percent=st.integers(0, 900), batch=st.integers(1, 9), seed=st.integers(0, 3))
def test_a_run_ends_before_the_first_visit_too_many(unit, tokens, percent, batch, seed):
    flops = [3 * n + n * n for n in tokens]
    costs = {"visits": [1] * len(tokens), "tokens": tokens, "flops": flops}[unit]
    allowed = Allowance(unit, max(costs) + percent * sum(costs) // 100)
    visited = walk(costs, allowed.amount, seed)
    plan = plan_visits(np.array(tokens), np.array(flops, float), allowed=allowed, global_batch_size=batch, seed=seed)
    assert plan.visits == len(visited)
    assert plan.tokens == sum(tokens[row] for row in visited)
    assert plan.flops == sum(flops[row] for row in visited)
    assert plan.epochs == len(visited) / len(tokens)
    assert plan.steps == len(range(0, len(visited), batch))


@light
@given(tokens=lengths, epochs=st.integers(1, 40))
def test_a_budget_of_whole_epochs_is_met_exactly(tokens, epochs):
    for unit, costs in (("tokens", tokens), ("flops", [0.1 * n for n in tokens])):
        allowed = Allowance(unit, epochs * float(np.sum(costs)))
        plan = plan_visits(np.array(tokens), np.array(costs, float), allowed=allowed, global_batch_size=4, seed=0)
        assert plan.visits == epochs * len(tokens)


def test_less_than_one_example_is_refused():
    with pytest.raises(BudgetError, match="a budget of 9 tokens is less than one example; raise it"):
        plan_visits(np.array([10]), np.array([1.0]), allowed=Allowance("tokens", 9.0), global_batch_size=1, seed=0)


@light
@given(examples=st.integers(1, 99), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_an_epoch_visits_everything_once_in_an_order_of_its_own(examples, seed, epoch):
    order = visit_order(examples, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(examples))
    assert (order == visit_order(examples, seed=seed, epoch=epoch)).all()


def test_epochs_and_seeds_have_different_orders():
    orders = {tuple(visit_order(20, seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@light
@given(epochs=st.integers(1, 300), pool=st.integers(1, 500_000))
def test_pool_epochs_are_visits_of_the_pool(epochs, pool):
    assert allowance(BudgetRecipe(pool_epochs=epochs), pool_examples=pool) == Allowance("visits", epochs * pool)
    assert allowance(BudgetRecipe(pool_epochs=epochs / 10), pool_examples=10).amount == epochs


@light
@given(fraction=st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0]), epochs=st.integers(1, 9))
def test_visits_are_equal_at_every_fraction(fraction, epochs):
    allowed = allowance(BudgetRecipe(pool_epochs=epochs), pool_examples=400)
    ones = np.ones(selected_size(fraction, 400), dtype=np.int64)
    plan = plan_visits(ones, ones * 1.0, allowed=allowed, global_batch_size=32, seed=0)
    assert plan.visits == epochs * 400
    assert plan.epochs * fraction == pytest.approx(epochs)


def test_examples_and_tokens_are_not_charged_for_selection():
    for budget, unit in ((BudgetRecipe(examples=7), "visits"), (BudgetRecipe(tokens=7), "tokens")):
        assert allowance(budget, pool_examples=3, spent_flops=1e30) == Allowance(unit, 7)


def test_seconds_and_dollars_become_flops():
    half_hour = allowance(BudgetRecipe(seconds=1800), pool_examples=1, flops_per_second=2e12)
    assert half_hour == Allowance("flops", 3.6e15)
    machine = {"flops_per_second": 2e12, "dollars_per_hour": 3.0}
    assert allowance(BudgetRecipe(dollars=1.5), pool_examples=1, **machine) == half_hour


@pytest.mark.parametrize(("budget", "speed", "price", "message"), [
    (BudgetRecipe(seconds=5), None, 0, "budget.seconds needs machine.flops_per_second; write it or let"),
    (BudgetRecipe(dollars=5), None, 1, "budget.dollars needs machine.flops_per_second"),
    (BudgetRecipe(dollars=5), 1e9, 0, "budget.dollars needs machine.dollars_per_hour above 0"),
])  # fmt: skip
def test_a_missing_speed_or_price_is_named(budget, speed, price, message):
    with pytest.raises(BudgetError, match=message):
        allowance(budget, pool_examples=1, flops_per_second=speed, dollars_per_hour=price)


@pytest.mark.parametrize(("budget", "whole"), [
    (BudgetRecipe(flops=1e15), 1e15), (BudgetRecipe(seconds=100), 2e14), (BudgetRecipe(dollars=1), 7.2e15),
])  # fmt: skip
def test_selection_comes_out_of_the_same_budget(budget, whole):
    def after(spent):
        return allowance(budget, pool_examples=9, flops_per_second=2e12, dollars_per_hour=1.0, spent_flops=spent)

    assert after(0.25 * whole) == Allowance("flops", pytest.approx(0.75 * whole))
    with pytest.raises(
        BudgetError, match=r"^not affordable: the selection costs .* raise the budget or choose a cheaper"
    ):
        after(whole)


@light
@given(visits=st.integers(1, 10_000), batch=st.integers(1, 300))
def test_a_smaller_last_batch_is_a_step(visits, batch):
    steps = steps_for(visits, batch)
    assert (steps - 1) * batch < visits <= steps * batch


@light
@given(thousandths=st.integers(1, 1000), pool=st.integers(1, 500_000))
def test_selections_are_rounded_half_up_and_never_empty(thousandths, pool):
    exact = (Decimal(thousandths) * pool / 1000).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert selected_size(thousandths / 1000, pool) == max(1, int(exact))


def test_sizes_of_published_fractions():
    assert [selected_size(fraction, 497_800) for fraction in (0.01, 0.05, 1.0)] == [4978, 24_890, 497_800]
    assert selected_size(0.145, 100) == 15
    assert selected_size(0.001, 10) == 1


def rows_one_by_one(allowed, row_tokens, row_flops, batch):
    """Rows read until the next would be one too many, then whole batches of them; all where there is less than one."""
    each = {"visits": 1, "tokens": row_tokens, "flops": row_flops}[allowed.unit]
    rows = 0
    while (rows + 1) * each <= allowed.amount:
        rows += 1
    return len(range(0, rows + 1, batch)) * batch - batch if rows >= batch else rows


@pytest.mark.parametrize("unit", ["visits", "tokens", "flops"])
@light
@given(amount=st.integers(0, 3000), row_tokens=st.integers(1, 40), batch=st.integers(1, 9), unique=st.integers(1, 50))
def test_a_run_over_rows_has_whole_steps_within_its_budget(unit, amount, row_tokens, batch, unique):
    allowed, row_flops = Allowance(unit, float(amount)), 7.0 * row_tokens
    asked = {"unique_rows": unique, "row_tokens": row_tokens, "row_flops": row_flops, "global_batch_size": batch}
    rows = rows_one_by_one(allowed, row_tokens, row_flops, batch)
    if rows == 0:
        with pytest.raises(BudgetError, match=f"is less than one row of {row_tokens} tokens; raise it"):
            plan_rows(allowed, **asked)
        return
    plan = plan_rows(allowed, **asked)
    assert (plan.visits, plan.examples, plan.epochs) == (rows, unique, rows / unique)
    assert (plan.tokens, plan.flops) == (rows * row_tokens, rows * row_flops)
    assert plan.steps == max(1, rows // batch)


@light
@given(rows=st.integers(1, 10_000), row_tokens=st.integers(1, 5000), part=st.floats(0, 0.99))
def test_an_allowance_buys_the_tokens_of_its_rows_in_whatever_unit_it_is_written(rows, row_tokens, part):
    for unit, each in {"visits": 1.0, "tokens": float(row_tokens), "flops": 0.3 * row_tokens}.items():
        for amount in (rows * each, (rows + part) * each):
            found = run_tokens(Allowance(unit, amount), row_tokens=row_tokens, row_flops=0.3 * row_tokens)
            assert found == rows * row_tokens


@pytest.mark.parametrize(("unit", "amount"), [("visits", 0.5), ("tokens", 3.0), ("flops", 9.0)])
def test_shares_are_learned_for_one_row_at_least(unit, amount):
    assert run_tokens(Allowance(unit, amount), row_tokens=8, row_flops=10.0) == 8
