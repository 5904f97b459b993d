"""Processes side by side: what each did is kept, and one that died is named with its log."""

import os
import signal
import time

import pytest

from tests_support import SMALLEST
from winnow.recipe.file import load_recipe
from winnow.verbs import workers


def stand_in(tmp_path, monkeypatch, script):
    """Has this shell script run in the place of each worker."""
    program = tmp_path / "worker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(workers.sys, "executable", str(program))
    return tmp_path / "s"


def started(folder, count):
    return workers.helpers(load_recipe(SMALLEST), count=count, out=folder, store=None, arm=None, seed=None)


def wait_for(path, text):
    until = time.monotonic() + 30
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < until, path
        time.sleep(0.01)


def test_a_worker_that_dies_is_named_with_its_log(tmp_path, monkeypatch):
    folder = stand_in(tmp_path, monkeypatch, "echo 'no memory' >&2; exit 3")
    log = folder / "logs" / "worker_2.log"
    with pytest.warns(UserWarning, match=f"worker_2 died .exit code 3.*{log}"), started(folder, 1) as start:
        start()
        wait_for(log, "no memory")
        time.sleep(0.2)


def test_so_is_one_that_is_killed_and_none_that_goes_on(tmp_path, monkeypatch, recwarn):
    folder = stand_in(tmp_path, monkeypatch, "echo $$ >&2; exec sleep 60")
    logs = [folder / "logs" / f"worker_{number}.log" for number in (2, 3)]
    with started(folder, 2) as start:
        start()
        for log in logs:
            wait_for(log, "\n")
        os.kill(int(logs[1].read_text()), signal.SIGKILL)
        time.sleep(0.2)
    told = [str(each.message) for each in recwarn if "died" in str(each.message)]
    assert len(told) == 1 and "worker_3 died (signal 9)" in told[0]


def test_nobody_is_started_and_nothing_written_before_there_is_something_to_make(tmp_path, monkeypatch):
    folder = stand_in(tmp_path, monkeypatch, "exit 1")
    with started(folder, 2):
        pass
    assert not folder.exists()


@pytest.mark.slow
def test_the_log_tells_the_stages_that_a_worker_made(tmp_path, capsys):
    recipe = load_recipe(SMALLEST, ["selection.arms=[full]", "selection.controls=false", "pool.target=null"])
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json())
    workers.work(str(file), str(tmp_path / ".store"), "", "")
    said = capsys.readouterr().err
    assert "making train.full.s0" in said and "made train.full.s0 in" in said
