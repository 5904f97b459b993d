"""What all tests share: quiet libraries, one thread, the smallest recipe, finished once a session."""

import pytest
from filelock import FileLock
from hypothesis import settings

from bad_inputs_support import winnow
from tests_support import SMALLEST
from winnow.quiet import quiet_libraries

quiet_libraries()
# The same examples in every run: what fails here fails for everybody.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _one_thread():
    """Tests share two cores with each other and with whatever else runs."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def command(monkeypatch, capsys):
    """The command line, run in this process: exit code, standard output and standard error."""
    return lambda *arguments: winnow(monkeypatch, capsys, *arguments)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory, worker_id):
    """Runs a recipe under a name, once, by whichever worker comes first; gives the study's folder: do not change it."""
    from winnow.pipeline import run

    alone = worker_id == "master"
    root = tmp_path_factory.mktemp("studies") if alone else tmp_path_factory.getbasetemp().parent / "studies"

    def folder_of(name, recipe):
        folder = root / name / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not (folder / "report.html").exists():
                run(recipe, out=folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def finished_study(run_once):
    """The study folder of recipes/smallest.yaml."""
    from winnow.recipe.file import load_recipe

    return run_once("smallest", load_recipe(SMALLEST))


@pytest.fixture(scope="session")
def confined():
    """Skips where the kernel lacks a layer without which programs are not run."""
    from winnow.sandbox.confinement import REQUIRED
    from winnow.sandbox.programs import examine

    missing = [f"{layer} ({reason})" for layer, reason in examine().items() if layer in REQUIRED and reason]
    if missing:
        pytest.skip(f"programs cannot be confined on this machine: {', '.join(missing)}")
