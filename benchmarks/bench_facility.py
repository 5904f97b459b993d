"""Facility location on a given kernel: ours against apricot-select, submodlib-py and thirty lines of NumPy.

Prints the median over rounds of (peer's CPU seconds / ours), and the objectives over ours; before that CPU seconds and
memory for a pool of 50,000 without a matrix of its pairs. Peers: `pip install -r benchmarks/requirements.txt`.
"""

import heapq
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from winnow.selection.choose import choose
from winnow.selection.facility_location import facility_location
from winnow.selection.features import median_bandwidth
from winnow.selection.views import PoolView, Seen

ROUNDS, ROWS, SIZE = 9, 2_000, 200
LARGE_ROWS, LARGE_SIZE, DIMENSIONS = 50_000, 500, 32


def make_points(rows):
    rng = np.random.default_rng(0)
    centres = 1.5 * rng.standard_normal((40, DIMENSIONS))
    return (centres[rng.integers(0, 40, rows)] + rng.standard_normal((rows, DIMENSIONS))).astype(np.float32)


def make_kernel(points):
    squares = np.square(points, dtype=np.float64).sum(axis=1)
    gaps = squares[:, None] + squares - 2 * points.astype(np.float64) @ points.T
    kernel = np.exp(-np.maximum(gaps, 0) / (2 * median_bandwidth(points, np.random.default_rng(0)) ** 2))
    return (kernel + kernel.T) / 2


def plain_numpy(kernel, size):
    """Lazy greedy with a heap, one row at a time."""
    covered = np.zeros(len(kernel))
    heap = [(-gain, row) for row, gain in enumerate(kernel.sum(axis=1))]
    heapq.heapify(heap)
    chosen = []
    while len(chosen) < size:
        row = heap[0][1]
        gain = np.maximum(kernel[row] - covered, 0).sum()
        heapq.heapreplace(heap, (-gain, row))
        if heap[0][1] == row:
            heapq.heappop(heap)
            chosen.append(row)
            covered = np.maximum(covered, kernel[row])
    return chosen


def apricot():
    from apricot import FacilityLocationSelection

    def select(kernel, size):
        return FacilityLocationSelection(size, metric="precomputed", optimizer="lazy").fit(kernel).ranking

    return select


def submodlib():
    from submodlib import FacilityLocationFunction

    def select(kernel, size):
        made = FacilityLocationFunction(n=len(kernel), mode="dense", sijs=kernel, separate_rep=False)
        picked = made.maximize(budget=size, optimizer="LazyGreedy", stopIfZeroGain=False, show_progress=False)
        return [row for row, _ in picked]

    return select


def peers() -> dict[str, Callable]:
    found: dict[str, Callable] = {"NumPy": plain_numpy}
    for name, load in (("apricot-select", apricot), ("submodlib-py", submodlib)):
        try:
            found[name] = load()
        except ImportError:
            print(f"{name} is not installed; pip install -r benchmarks/requirements.txt")
    return found


def timed(way, kernel):
    started = time.process_time()
    chosen = np.asarray(way(kernel, SIZE))
    return time.process_time() - started, kernel[chosen].max(axis=0).sum()


def compare():
    kernel = make_kernel(make_points(ROWS))
    ways = {"ours": facility_location, **peers()}
    for way in ways.values():
        way(kernel[:50, :50].copy(), 5)  # numba compiles, libraries load
    seconds, objectives = {name: [] for name in ways}, {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            took, objectives[name] = timed(way, kernel)
            seconds[name].append(took)
    for name in ways:
        ratio = statistics.median(peer / ours for peer, ours in zip(seconds[name], seconds["ours"], strict=True))
        print(
            f"facility location {ROWS} x {ROWS}, {SIZE} rows: {name} {1e3 * statistics.median(seconds[name]):.1f} ms, "
            f"{ratio:.2f}x ours; objective over ours minus 1: {objectives[name] / objectives['ours'] - 1:+.1e}"
        )


def large():
    points = make_points(LARGE_ROWS)
    pool = PoolView([f"{row:06d}" for row in range(LARGE_ROWS)], np.full(LARGE_ROWS, "a"), np.ones(LARGE_ROWS, int))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    choose("facility_location", pool, size=LARGE_SIZE, seen=Seen(vectors=points))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    took = time.process_time() - started
    print(f"facility location {LARGE_ROWS} rows, {LARGE_SIZE} chosen: {took:.0f} CPU s, {peak / 1024:.0f} MiB more")


if __name__ == "__main__":
    torch.set_num_threads(1)
    large()  # first: what a peer had in memory would hide what it needs
    compare()
