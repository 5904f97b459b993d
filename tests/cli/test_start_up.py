"""What commands import and do where nothing is left to compute."""

import json
import shutil
import subprocess
import sys

import pytest

from tests_support import SMALLEST
from winnow import walk
from winnow.models import devices
from winnow.recipe.file import load_recipe
from winnow.store import Store
from winnow.study.graph import expand

HEAVY = "torch", "transformers", "peft", "pandas", "matplotlib", "datasets"
WATCHED = f"""
import json, sys
from winnow.cli.main import main
sys.argv = ["winnow", *sys.argv[1:]]
try:
    main()
finally:
    print("\\nIMPORTED", json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr)
"""


def imported(*arguments):
    """Which heavy libraries a command imports."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stderr.rpartition("IMPORTED")[2])


@pytest.fixture(scope="module")
def study(tmp_path_factory, finished_study):
    """A finished study of our own, with its store; planned once."""
    root = tmp_path_factory.mktemp("start")
    shutil.copytree(finished_study, root / "s")
    shutil.copytree(finished_study.parent / ".store", root / ".store")
    imported("plan", SMALLEST, "--out", root / "s")
    imported("run", SMALLEST, "--out", root / "s")
    return root / "s"


needs_no_gpu = pytest.mark.skipif(devices.may_have_accelerator(), reason="torch is asked which accelerator there is")


@pytest.mark.slow
def test_the_list_of_selectors_imports_nothing_heavy():
    assert imported("select", "--list") == []


@pytest.mark.slow
def test_a_report_of_an_unchanged_study_imports_nothing_heavy(study):
    assert imported("report", study) == []


@pytest.mark.slow
@needs_no_gpu
@pytest.mark.parametrize("verb", ["plan", "run", "pool", "select", "train", "evaluate"])
def test_what_is_finished_imports_nothing_heavy(study, verb):
    assert imported(verb, SMALLEST, "--out", study) == []


@pytest.mark.slow
@needs_no_gpu
@pytest.mark.parametrize("change", [
    "training.learning_rate=0.01", "training.per_device_batch_size=5", "machine.flops_per_second=null",
    "training.optimizer=adamw",
])  # fmt: skip
def test_a_plan_of_a_new_shape_over_known_data_imports_nothing_heavy(study, change):
    assert imported("plan", SMALLEST, "--out", study.parent / "new", "--set", change) == []


@pytest.mark.slow
def test_a_report_that_draws_imports_matplotlib_alone(study):
    (study / "figures" / "final_loss.png").unlink()
    assert imported("report", study) == ["matplotlib"]


@pytest.mark.slow
def test_no_worker_is_started_where_nothing_is_made(command, study, monkeypatch):
    from winnow.verbs import workers

    monkeypatch.setattr(workers, "subprocess", None)
    assert command("run", SMALLEST, "--out", study, "--workers", 2)[0] == 0


@pytest.mark.slow
def test_a_walk_that_is_gone_on_with_finds_nothing_twice(study, monkeypatch):
    from winnow.pipeline import selector_traits

    recipe, store = load_recipe(SMALLEST), Store(study.parent / ".store")
    graph, found = expand(recipe, selector_traits()), []
    find = store.find
    monkeypatch.setattr(store, "find", lambda kind, fingerprint: found.append(kind) or find(kind, fingerprint))
    ready = walk.walk_stages(graph, recipe, store, walk.wanted(graph, until=("pool", "tests")), walk.Watch())
    whole = walk.walk_stages(graph, recipe, store, walk.wanted(graph), walk.Watch(), so_far=ready)
    assert len(found) == len(whole.done) == len(graph.stages)


@pytest.mark.parametrize(
    ("names", "may"),
    [(["null", "nvme0"], False), (["nvidiactl"], True), (["kfd"], True), (["dxg"], True), (["nvhost-gpu"], True)],
)
def test_torch_is_asked_wherever_a_gpu_shows(tmp_path, monkeypatch, names, may):
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    assert devices.may_have_accelerator() is may


def test_off_linux_torch_is_asked(monkeypatch):
    monkeypatch.setattr(devices.sys, "platform", "darwin")
    assert devices.may_have_accelerator()
