"""A model of the hub is taken at one commit, which all that follows loads, whatever moves on at the hub."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from toys import toy_model, toy_tokenizer

from winnow.models import loading

POINT = """
import json, sys
from pathlib import Path
from winnow.parts import ModelPart
from winnow.records import Artifact, Context, Stored
from winnow.models.loading import load_named
from winnow.training.pointing import point_at_model
folder = Path(sys.argv[1])
folder.mkdir()
point_at_model(ModelPart(model="owner/name"), {}, Context(folder))
named = json.loads((folder / "model.json").read_text())
print(json.dumps([named, json.loads((folder / "contents.json").read_text())]))
"""


@pytest.mark.long
def test_a_hub_model_is_pinned_to_its_commit(tmp_path):
    cache = tmp_path / "hub" / "models--owner--name"
    first, second = "1" * 40, "2" * 40
    loading.save_model(toy_model(), cache / "snapshots" / first, toy_tokenizer(), None)
    shutil.copytree(cache / "snapshots" / first, cache / "snapshots" / second)
    (cache / "refs").mkdir()

    def pointed(commit, name):
        (cache / "refs" / "main").write_text(commit)
        environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
        run = [sys.executable, "-c", POINT, str(tmp_path / name)]
        return json.loads(subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout)

    assert pointed(first, "a") == [
        {"model": "owner/name", "revision": first},
        {"name": "owner/name", "revision": first},
    ]
    assert pointed(second, "b")[1]["revision"] == second
