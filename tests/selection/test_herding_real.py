"""Herding on real problems, through the benchmark that measures it on all of them."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest

from tests_support import ROOT, SHARED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SHARED / "models" / "stories260K").is_dir(), reason="needs the shared data and models"),
]


def test_it_matches_a_real_pool_better_than_random_in_fresh_features():
    spec = spec_from_file_location("bench_herding", ROOT / "benchmarks" / "bench_herding.py")
    bench = module_from_spec(spec)
    spec.loader.exec_module(bench)
    ratios, examples = bench.real_mmd(limit=150)
    assert examples == 7 * 150
    assert ratios[0.05] < 0.7 and ratios[0.1] < 0.7
