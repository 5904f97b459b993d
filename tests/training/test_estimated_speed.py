"""The estimated speed: arithmetic on burst times, with a clock of our own."""

import numpy as np
import pytest

from winnow.models.known_flops import known_flops
from winnow.models.layouts import layout_of
from winnow.models.trained_parts import trained_parts
from winnow.recipe import TrainingRecipe
from winnow.training import estimated_speed as estimating
from winnow.training.estimated_speed import BURSTS, PASSES, estimated_speed, fastest
from winnow.training.known_memory import kept_floats
from winnow.training.largest_batches import MicroBatch

LLAMA = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "vocab_size": 90,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
FULL = TrainingRecipe.model_validate({"method": "full"})
LAYOUT = layout_of(LLAMA)
PARTS = trained_parts(LAYOUT, FULL)
COSTS = known_flops(LAYOUT, PARTS)


class Clock:
    """A clock on which each piece of work takes so long."""

    def __init__(self, *seconds):
        self.now, self.seconds, self.done = 0.0, seconds, 0

    def __call__(self):
        return self.now

    def work(self):
        self.now += self.seconds[min(self.done, len(self.seconds) - 1)]
        self.done += 1


def test_the_fastest_burst_counts_and_the_first_does_not():
    slow = Clock(0.011, 0.5, 0.2, 0.3, 0.4)
    assert fastest(slow.work, slow) == pytest.approx(0.2)
    assert slow.done == BURSTS


def test_short_work_is_done_until_its_time_can_be_told():
    quick = Clock(0.001)
    assert fastest(quick.work, quick) == pytest.approx(0.001)
    assert quick.done == pytest.approx(10 * BURSTS, abs=BURSTS)


def test_products_and_other_operations_add_up(monkeypatch):
    monkeypatch.setattr(estimating, "products_per_second", lambda layout, tokens, clock: 1e9)
    monkeypatch.setattr(estimating, "seconds_per_number", lambda clock: 1e-9)
    flops = 4 * float(COSTS.train(np.array([20])).sum())
    seconds = flops / 1e9 + PASSES * 1e-9 * kept_floats(LAYOUT, PARTS, MicroBatch(4, 20, 80))
    assert estimated_speed(LAYOUT, PARTS, COSTS, rows=4, length=20) == pytest.approx(flops / seconds)


def test_more_rows_than_are_timed_change_nothing(monkeypatch):
    timed = []
    monkeypatch.setattr(estimating, "products_per_second", lambda layout, tokens, clock: timed.append(tokens) or 1e9)
    monkeypatch.setattr(estimating, "seconds_per_number", lambda clock: 1e-9)
    some, many = (estimated_speed(LAYOUT, PARTS, COSTS, rows=rows, length=64) for rows in (32, 4000))
    assert some == many and timed == [2048, 2048]
    estimated_speed(LAYOUT, PARTS, COSTS, rows=3, length=5000)
    assert timed[-1] == 5000


def test_an_estimate_is_a_speed_that_a_core_can_have():
    assert 1e7 < estimated_speed(LAYOUT, PARTS, COSTS, rows=4, length=64) < 1e13
