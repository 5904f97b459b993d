"""The number of threads changes no selection: last bits of matrix products differ, choices do not."""

import json
import os
import subprocess
import sys

import pytest

from tests_support import ROOT

pytestmark = pytest.mark.long

CODE = """
import json, sys
sys.path.insert(0, "tests")
import torch
torch.set_num_threads(int(sys.argv[1]))
from conformance.made import make_pool
from winnow.selection import registry
from winnow.selection.choose import choose
pool, seen = make_pool(3000, dimensions=32, frequencies=128)
seeing = [name for name, traits in registry.traits().items() if traits.needs and name in registry.BUILT_IN]
print(json.dumps({name: choose(name, pool, size=300, seen=seen).rows.tolist() for name in seeing}))
"""


def chosen_with(threads):
    numbers = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(threads)], cwd=ROOT, env=os.environ | numbers, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_number_of_threads_changes_no_selection():
    one, two = chosen_with(1), chosen_with(2)
    assert "herding" in one and all(len(rows) == 300 for rows in one.values())
    assert [name for name in one if one[name] != two[name]] == []
