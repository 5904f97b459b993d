"""Where and by whom a command is given changes nothing: hash seed, time zone, locale, folder, home and threads."""

import json
import os
import subprocess
import sys

import pytest

from tests_support import SMALLEST

SURROUNDINGS = [
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "2", "COLUMNS": "30"},
]


def made(folder, surroundings):
    """Stage -> fingerprint and digest of all that leads to the selections, made in these surroundings."""
    home = folder / "home"
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "winnow", "select", str(SMALLEST), "--store", str(folder / "store")]
    environment = {**os.environ, **surroundings, "HOME": str(home)}
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True)
    records = [json.loads(path.read_text()) for path in (folder / "store").glob("*/*/record.json")]
    return {each["name"]: (each["fingerprint"], each["digest"]) for each in records}


@pytest.mark.long
def test_other_surroundings_make_the_same_artifacts(tmp_path):
    first, second = (made(tmp_path / str(place), each) for place, each in enumerate(SURROUNDINGS))
    assert {"tests", "corpus", "tokenizer", "base", "pool"} < first.keys()
    assert len([name for name in first if name.startswith("select.")]) >= 3
    assert first == second
