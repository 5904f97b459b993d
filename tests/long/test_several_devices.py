"""Runs of several processes through the real command line: as they are, under torchrun, and with a rank killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests_support import SMALLEST
from winnow.store import read_json

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

SETTINGS = ["--set", "training.per_device_batch_size=8", "--set", "training.checkpoint_every_seconds=0",
            "--set", "budget.pool_epochs=4",
            "--set", "selection.arms=[full, random]", "--set", "selection.controls=false",
            "--set", "study.primary.arm=random_0.25", "--workers", "1"]  # fmt: skip
TWO = ["--set", "machine.devices=2"]


def command(folder, *more):
    return ["-m", "winnow", "run", str(SMALLEST), "--out", str(folder), *SETTINGS, *more]


def finish(*words):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=1500, check=False)
    return done.returncode, done.stderr


def charged(folder):
    records = {path.name: read_json(path) for path in sorted(folder.glob("training_records.*.json"))}
    return {
        name: (r["costs"]["train"]["flops"], r["costs"]["train"]["tokens"], r["plan"]) for name, r in records.items()
    }


def children_of(pid):
    """Ranks that this process started, oldest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
    except OSError:  # one of them has just ended
        return []


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "study"
    code, said = finish(*command(folder, *TWO))
    assert code == 0, said
    return folder


def test_two_devices_spend_what_one_spends(two, tmp_path):
    alone = tmp_path / "alone"
    code, said = finish(*command(alone, "--set", "training.gradient_accumulation_steps=2"))
    assert code == 0, said
    assert charged(two) == charged(alone) and len(charged(two)) == 2


def test_torchrun_starts_the_same_study(two, tmp_path):
    folder = tmp_path / "study"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    code, said = finish(*launcher, *command(folder, *TWO))
    assert code == 0, said
    assert charged(folder) == charged(two)
    code, said = finish(*launcher, *command(folder))
    assert code != 0 and "torchrun starts 2 processes, machine.devices is 1; make them equal" in said


def test_a_killed_rank_is_one_line_and_the_same_command_goes_on(two, tmp_path):
    folder = tmp_path / "study"
    process = subprocess.Popen([sys.executable, *command(folder, *TWO)], stderr=subprocess.PIPE, text=True)
    killed = None
    while process.poll() is None and killed is None:
        # A model is being trained, with a checkpoint to go on from.
        ranks = children_of(process.pid)
        if len(ranks) == 2 and any((tmp_path / ".store").rglob("checkpoints/step_*/manifest.json")):
            killed = ranks[-1]
            os.kill(killed, signal.SIGKILL)
        time.sleep(0.005)
    said = process.communicate(timeout=1500)[1].strip().splitlines()
    assert killed is not None
    assert process.returncode == 1 and "was killed by SIGKILL" in said[-1]
    code, error = finish(*command(folder, *TWO))
    assert code == 0, error
    assert charged(folder) == charged(two)
