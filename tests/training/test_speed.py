"""The speed of the machine does not depend on what else runs on it."""

import subprocess
import sys
import time

import pytest

from winnow.recipe import TrainingRecipe
from winnow.training import calibration
from winnow.training.calibration import MEASURED, WARM_UP, clock_for, measure_speed, seconds_per_step
from winnow.verbs import planned_speed as planning

ARCHITECTURE = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 2, "n_positions": 64, "vocab_size": 300}
FULL = TrainingRecipe(method="full", per_device_batch_size=8)


def test_cpu_time_where_one_thread_does_it_all():
    assert clock_for(on_cpu=True, threads=1, processes=1) is time.process_time
    for others in ({"threads": 2}, {"processes": 2}, {"on_cpu": False}):
        assert clock_for(**{"on_cpu": True, "threads": 1, "processes": 1} | others) is time.perf_counter


def test_the_fastest_step_counts_on_a_cpu_and_the_median_elsewhere():
    ticks = [0.0, 9.0, 9.5, 9.6, 10.4, 10.6, 12.6]  # the first steps warm up
    assert seconds_per_step(ticks, on_cpu=True) == pytest.approx(0.1)
    assert seconds_per_step(ticks, on_cpu=False) == pytest.approx(0.5)


def speed_by(monkeypatch, steps):
    """The speed where the steps take these seconds."""
    at, waits = [0.0], iter([0.0] * WARM_UP + steps)

    def clock():
        at[0] += next(waits)
        return at[0]

    monkeypatch.setattr(calibration, "clock_for", lambda **_: clock)
    return measure_speed(ARCHITECTURE, FULL, batch_size=8, tokens=32)


def test_steps_that_others_slow_down_change_nothing(monkeypatch):
    quiet = speed_by(monkeypatch, [0.5] * MEASURED)
    assert speed_by(monkeypatch, [0.5, 7.0, 3.0, 0.9, 0.6, 0.8][:MEASURED] + [0.7] * (MEASURED - 6)) == quiet
    assert speed_by(monkeypatch, [0.25] * MEASURED) == pytest.approx(2 * quiet)


@pytest.mark.parametrize(("load", "is_said"), [(0.3, False), (2.0, False), (7.25, True)])
def test_a_plan_says_that_the_machine_is_busy(monkeypatch, load, is_said):
    monkeypatch.setattr(planning.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(planning.os, "cpu_count", lambda: 2)
    assert bool(planning.busy()) is is_said
    assert not is_said or "7.2 processes share 2 cores" in planning.busy()[0]


@pytest.mark.long
def test_a_busy_neighbour_changes_the_measured_speed_by_less_than_a_quarter():
    """Alone on the machine: with other load on both sides there is no idle speed to compare with."""
    idle = max(measure_speed(ARCHITECTURE, FULL, batch_size=16, tokens=64) for _ in range(3))
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        time.sleep(1.0)
        shared = measure_speed(ARCHITECTURE, FULL, batch_size=16, tokens=64)
    finally:
        for each in neighbours:
            each.kill()
            each.wait()
    assert shared == pytest.approx(idle, rel=0.25)
