"""How fast a CPU trains a known architecture, from a moment's worth of arithmetic: no torch, no model.

    estimated_speed(layout, parts, costs, rows=16, length=128)      # reference FLOPs per second of one core

A step is matrix products of the model's own sizes, timed in short bursts, and operations on single numbers, whose time
follows from how many numbers a step keeps for its backward pass. Of all bursts the fastest counts, in CPU time, so that
what else runs does not change the figure. It is within about a third of what `calibration.py` measures
(EXPERIMENTS.md), which takes a hundred times as long.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from winnow.models.costs import FlopModel
from winnow.models.layouts import Layout
from winnow.models.trained_parts import TrainedParts
from winnow.training.known_memory import kept_floats
from winnow.training.largest_batches import MicroBatch

BURSTS, BURST_SECONDS = 5, 0.01
MOST_TOKENS = 2048
"""Of a micro-batch that is timed; more change nothing but the time that it takes."""
PASSES = 60.0
"""Products of two numbers whose time a step spends on each number that it keeps: forward pass, backward pass and the
overhead of calls (measured on models of 64 to 576 numbers a token, EXPERIMENTS.md)."""
Clock = Callable[[], float]


def estimated_speed(
    layout: Layout, parts: TrainedParts, costs: FlopModel, *, rows: int, length: int, clock: Clock = time.process_time
) -> float:
    """Reference FLOPs per second of one core that trains on micro-batches of so many rows of this length."""
    rows = max(1, min(rows, MOST_TOKENS // length))
    tokens = rows * length
    flops = rows * float(costs.train(np.array([length])).sum())
    products = flops / products_per_second(layout, tokens, clock)
    others = kept_floats(layout, parts, MicroBatch(rows, length, tokens)) * PASSES * seconds_per_number(clock)
    return flops / (products + others)


def products_per_second(layout: Layout, tokens: int, clock: Clock) -> float:
    """FLOPs per second of the products of so many tokens with the matrices of a layer."""
    sizes = {(matrix.inputs, matrix.outputs) for matrix in layout.layers[0].matrices}
    seconds = flops = 0.0
    for inputs, outputs in sorted(sizes):
        left, right = np.ones((tokens, inputs), np.float32), np.ones((inputs, outputs), np.float32)
        out = np.empty((tokens, outputs), np.float32)
        seconds += fastest(partial(np.dot, left, right, out=out), clock)
        flops += 2.0 * tokens * inputs * outputs
    return flops / seconds


def seconds_per_number(clock: Clock) -> float:
    """Of one product of two numbers, in arrays that a core keeps near."""
    left, right = np.ones(1 << 16, np.float32), np.ones(1 << 16, np.float32)
    return fastest(lambda: np.multiply(left, right, out=left), clock) / left.size


def fastest(work: Callable[[], object], clock: Clock) -> float:
    """Seconds of one piece of work in the fastest of a few bursts, the first of which warms up."""
    found = []
    for _ in range(BURSTS):
        started, done = clock(), 0
        while done == 0 or clock() - started < BURST_SECONDS:
            work()
            done += 1
        found.append((clock() - started) / done)
    return min(found[1:])
