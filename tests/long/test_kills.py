"""Whole studies through the real command line: killed, interrupted, out of space, with one worker and two."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests_support import SMALLEST
from winnow.store import read_json

pytestmark = pytest.mark.long

LONGER = ["--set", "budget.pool_epochs=40", "--set", "training.checkpoint_every_seconds=0.5",
          "--set", "evaluation.every_steps=40",
          "--set", "selection.arms=[full, random]", "--set", "selection.controls=false",
          "--set", "study.primary.arm=random_0.25"]  # fmt: skip


def start(folder, *more):
    """The real command in a process group of its own."""
    command = [sys.executable, "-m", "winnow", "run", str(SMALLEST), "--out", str(folder), *LONGER, *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip


def finish(folder, *more):
    process = start(folder, *more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def checkpoints(folder):
    """Hash of every file of every adapter."""
    files = sorted((folder / "adapters").rglob("*.*"))
    return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}


def charged(folder):
    """FLOPs and tokens that each run is charged; seconds differ from run to run."""
    records = {path.name: read_json(path) for path in sorted(folder.glob("training_records.*.json"))}
    return {
        name: (r["costs"]["train"]["flops"], r["costs"]["train"]["tokens"], r["plan"]) for name, r in records.items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    finish(folder, "--workers", "1")
    return folder


def steps_begun(folder):
    """Lines in the journals of runs that are being trained: how far they are."""
    return sum(lines_of(path) for path in (folder.parent / ".store" / "train").glob("*.partial/spent.jsonl"))


def lines_of(journal):
    """Lines of a file that may be gone by the time it is read: a run that ends gives its draft another name."""
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def wait_for_steps(process, folder, more):
    """Wait until training has gone `more` steps further, or the process has ended."""
    goal = None
    for _ in range(3000):
        begun = steps_begun(folder)
        goal = begun + more if goal is None and begun else goal
        if process.poll() is not None or (goal is not None and begun >= goal):
            return
        time.sleep(0.02)


def test_killed_again_and_again_ends_in_the_same_bits(undisturbed, tmp_path):
    folder, rng, kills = tmp_path / "study", random.Random(0), 0
    for _ in range(6):
        process = start(folder, "--workers", "1")
        wait_for_steps(process, folder, rng.randint(1, 200))
        if process.poll() is None:
            kills += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not [p for p in folder.rglob("*") if ".partial" in p.name and not p.name.startswith(".")]
    finish(folder, "--workers", "1")
    assert kills >= 3
    assert sum(read_json(path)["wasted"]["flops"] for path in folder.glob("training_records.*.json")) > 0
    assert checkpoints(folder) == checkpoints(undisturbed)
    assert charged(folder) == charged(undisturbed)


def test_two_workers_make_the_same_bits_as_one(undisturbed, tmp_path):
    folder = tmp_path / "study"
    finish(folder, "--workers", "2")
    assert checkpoints(folder) == checkpoints(undisturbed)
    assert charged(folder) == charged(undisturbed)


def test_ctrl_c_is_one_line_and_the_next_run_goes_on(undisturbed, tmp_path):
    folder = tmp_path / "study"
    process = start(folder, "--workers", "2")
    wait_for_steps(process, folder, 20)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith("winnow: stopped; run the same command again")
    assert "Traceback" not in err
    finish(folder, "--workers", "1")
    assert checkpoints(folder) == checkpoints(undisturbed)


def test_asked_to_stop_it_saves_and_leaves_with_a_code_of_its_own(undisturbed, tmp_path):
    folder = tmp_path / "study"
    process = start(folder, "--workers", "2")
    wait_for_steps(process, folder, 20)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75 and time.monotonic() - asked < 30
    assert err.strip().splitlines()[-1].startswith("winnow: asked to stop; run the same command again")
    assert "Traceback" not in err
    finish(folder, "--workers", "1")
    assert checkpoints(folder) == checkpoints(undisturbed)


def test_no_worker_outlives_a_killed_parent(tmp_path):
    process = start(tmp_path / "study", "--workers", "2")
    time.sleep(8)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(4)
    listed = subprocess.run(["ps", "-eo", "pgid,args"], capture_output=True, text=True, check=True).stdout
    left = [line for line in listed.splitlines() if line.split()[0] == str(process.pid)]
    assert left == []


def test_a_really_full_disk_is_one_line_and_loses_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        process = start(small / "study", "--workers", "1")
        _, err = process.communicate(timeout=300)
        assert process.returncode == 1
        assert "No space left on device" in err.strip().splitlines()[-1]
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        finish(small / "study", "--workers", "1")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
