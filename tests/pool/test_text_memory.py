"""Memory of the stages that read plain text, in processes of their own, by the benchmark that measures it."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_text.py"
FEW, MANY = 4_000, 12_000
MAX_BYTES_PER_DOCUMENT = 500
"""A document has about 2,000."""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", ["documents", "tokens"])
def test_memory_does_not_grow_with_the_text(stage, tmp_path):
    spec = importlib.util.spec_from_file_location("bench_text", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    peaks = {}
    for documents in (FEW, MANY):
        (tmp_path / str(documents)).mkdir()
        peaks[documents] = benchmark.measure(stage, documents, tmp_path / str(documents))["anonymous"]
    assert (peaks[MANY] - peaks[FEW]) / (MANY - FEW) < MAX_BYTES_PER_DOCUMENT
    assert peaks[MANY] < 500e6
