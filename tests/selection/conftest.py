import numpy as np
import pytest
import torch

from winnow.selection.views import PoolView


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def pool():
    """200 rows: 120 of source a, 60 of b, 20 of c; ids in no order."""
    rng = np.random.default_rng(5)
    ids = [f"row{number:03d}" for number in rng.permutation(200)]
    sources = np.repeat(["a", "b", "c"], [120, 60, 20])
    return PoolView(ids, sources, rng.integers(10, 300, 200))
