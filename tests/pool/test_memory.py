"""Memory of the stages that stream, in processes of their own, by the benchmark that measures it."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_streaming.py"
FEW, MANY = 20_000, 60_000
MAX_BYTES_PER_ROW = 1_500
"""One row as an Example takes more, and a stage that holds all rows several times as much."""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", ["hygiene", "sample"])
def test_memory_does_not_grow_with_the_pool(stage, tmp_path):
    spec = importlib.util.spec_from_file_location("bench_streaming", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    peaks = {}
    for rows in (FEW, MANY):
        (tmp_path / str(rows)).mkdir()
        peaks[rows] = benchmark.measure(stage, rows, tmp_path / str(rows))["anonymous"]
    assert (peaks[MANY] - peaks[FEW]) / (MANY - FEW) < MAX_BYTES_PER_ROW
