"""A study without the extras: what the demo does needs none of them."""

import subprocess
import sys

import pytest

from tests_support import ROOT, SMALLEST

EXTRAS = (
    "datasets", "pandas", "lion_pytorch", "mlflow", "trackio", "wandb", "tensorboard", "pydantic_monty", "lm_eval",
    "langdetect", "immutabledict", "nltk", "math_verify", "bitsandbytes",
)  # fmt: skip
WITHOUT = f"""
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {EXTRAS!r} else super().find_spec(name, path, target)

sys.meta_path = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
from winnow.cli.main import main
sys.argv = ["winnow", *sys.argv[1:]]
main()
"""


@pytest.mark.long
def test_a_study_runs_where_no_extra_is_installed(tmp_path):
    few = ["--set", "selection.arms=[full, herding]", "--set", "selection.controls=false", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "run", SMALLEST, *few, "--out", tmp_path / "s"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "s" / "report.html").is_file()


def test_setup_installs_what_is_named_and_the_tests_see_to_all_themselves():
    makefile = (ROOT / "Makefile").read_text()
    assert "EXTRAS ?= hub\n" in makefile
    for target in ("test", "test-fast", "test-long", "lint", "bench"):
        assert f"\n{target}: $(ALL)\n" in makefile
    planned = [
        subprocess.run(["make", "-n", *words], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for words in (["-B", "setup"], ["-B", "setup", "EXTRAS=all"], ["-B", "test"])
    ]
    assert '".[hub]"' in planned[0] and "requirements-dev" not in planned[0]
    assert all('".[all]" -r requirements-dev.txt' in each for each in planned[1:])
