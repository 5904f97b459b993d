"""What of benchmarks/gpu_training.py can be tried without a GPU."""

import importlib.util
from pathlib import Path

import pytest
import torch
from toys import ARCHITECTURE

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu_training(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("gpu_training", BENCHMARKS / "gpu_training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VOCABULARY", 270)
    return module


def test_rates_are_those_after_the_warm_up(gpu_training):
    steps = [{"tokens": 10 * n, "flops": 7.0 * n, "executed_flops": 8.0 * n, "seconds": 100 + 2 * n} for n in range(9)]
    assert gpu_training.rates(steps) == {"tokens": 5.0, "flops": 3.5, "executed_flops": 4.0}


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.slow
def test_a_run_counts_every_step(gpu_training, packing):
    batches = gpu_training.made_batches(3, 8, packing=packing)
    options = {"packing": packing}
    steps = gpu_training.steps_of(
        batches, gpu_training.recipe_of(**options), ARCHITECTURE | {"n_positions": 512, "n_embd": 8}
    )
    assert len(steps) == 8 and steps[-1]["tokens"] == batches.rows.lengths.sum()
    assert all(rate > 0 for rate in gpu_training.rates(steps).values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(gpu_training):
    with pytest.raises(SystemExit, match="^gpu_training.py needs a GPU with CUDA, and torch sees none; --count runs"):
        gpu_training.peak_of(None)
