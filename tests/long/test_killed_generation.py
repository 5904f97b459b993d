"""A generation that is killed goes on where it was: no answer that it had is asked for, or paid for, again."""

import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from generation_support import FakeEndpoint, endpoint_recipe
from tests_support import ROOT, SMALLEST

CONCURRENCY = 3


def start(path, folder):
    command = [sys.executable, "-m", "winnow", "generate", str(path), "--out", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def write_recipe(path, endpoint):
    asked = endpoint_recipe(endpoint, examples=45, run_programs="none", teacher={"concurrency": CONCURRENCY})
    tree = YAML(typ="safe").load(SMALLEST.read_text())
    tree["pool"].pop("target")
    tree["pool"]["sources"].append({"name": "taught", "licence": "CC0-1.0", "synthetic": asked.model_dump(mode="json")})
    with path.open("w") as file:
        YAML().dump(tree, file)


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_generation_pays_for_nothing_twice(tmp_path, how):
    path, folder = tmp_path / "recipe.yaml", tmp_path / "study"
    with FakeEndpoint(seconds=0.3) as endpoint:
        write_recipe(path, endpoint)
        kills = 0
        for _ in range(20):
            paid = len(endpoint.charged)
            process = start(path, folder)
            while process.poll() is None and len(endpoint.charged) < paid + 7:
                time.sleep(0.02)
            if process.poll() is None:
                process.send_signal(how)
                kills += 1
            said = process.communicate(timeout=60)[0]
            if process.returncode == 0:
                break
        assert process.returncode == 0, said
        assert kills >= 2
        twice = len(endpoint.charged) - len(set(endpoint.charged))
        # A kill without warning loses what was under way; asked to stop, it waits for those answers and keeps them.
        assert twice <= (kills * CONCURRENCY if how == signal.SIGKILL else 0)
        killed = pq.read_table(folder / "generated" / "taught" / "rows.parquet")
        assert start(path, tmp_path / "undisturbed").wait(timeout=120) == 0
    assert killed.equals(pq.read_table(tmp_path / "undisturbed" / "generated" / "taught" / "rows.parquet"))
