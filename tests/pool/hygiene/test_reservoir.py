import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from winnow.errors import DataError
from winnow.pool.hygiene.reservoir import sample_to_budget


def draw(sizes, budget, seed, order=None):
    stream = list(enumerate(sizes))
    if order is not None:
        order.shuffle(stream)
    found = sample_to_budget(
        iter(stream), budget=budget, size=lambda it: it[1], identity=lambda it: str(it[0]), seed=seed
    )
    return [number for number, _ in found]


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(1, 200), st.integers(0, 5))
def test_a_sample_reaches_its_budget_and_not_an_item_more(sizes, budget, seed):
    drawn = [sizes[number] for number in draw(sizes, budget, seed)]
    assert sum(drawn) >= min(budget, sum(sizes))
    assert sum(drawn[:-1]) < budget


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(1, 200), st.integers(0, 5), st.randoms())
def test_the_order_of_the_stream_does_not_matter_and_samples_are_nested(sizes, budget, seed, order):
    whole = draw(sizes, budget, seed)
    assert draw(sizes, budget, seed, order) == whole
    smaller = draw(sizes, max(1, budget // 2), seed)
    assert whole[: len(smaller)] == smaller


@pytest.mark.slow
def test_every_item_is_as_likely_as_any_other():
    rng = random.Random(0)
    sizes = [rng.randint(1, 40) for _ in range(400)]
    counts = [0] * len(sizes)
    for seed in range(600):
        for number in draw(sizes, sum(sizes) // 5, seed):
            counts[number] += 1
    assert chisquare(counts).pvalue > 0.001
    by_size = sorted(range(400), key=lambda number: sizes[number])
    quarters = [sum(counts[number] for number in by_size[start : start + 100]) for start in range(0, 400, 100)]
    assert chisquare(quarters).pvalue > 0.001


def test_a_rule_that_stops_before_the_budget_would_fail_that_test():
    rng = random.Random(0)
    sizes = [rng.choice([1, 400]) for _ in range(400)]
    counts = {1: 0, 400: 0}
    for seed in range(400):
        for number in draw(sizes, 1000, seed)[:-1]:
            counts[sizes[number]] += 1
    expected = {size: sum(counts.values()) * sizes.count(size) / 400 for size in counts}
    assert chisquare(list(counts.values()), list(expected.values())).pvalue < 1e-6


def test_memory_is_that_of_the_sample():
    alive, most = 0, 0

    class Text:
        def __init__(self, number):
            nonlocal alive, most
            self.number = number
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    found = sample_to_budget(
        map(Text, range(5000)), budget=50, size=lambda _: 1, identity=lambda t: str(t.number), seed=0
    )
    assert (len(found), most <= 54) == (50, True)


def test_items_without_a_size_are_refused():
    with pytest.raises(DataError, match="has size 0"):
        draw([3, 0], 10, 0)
