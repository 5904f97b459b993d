"""One file of every kind of artifact damaged, and a run through the real command line: named, then made again."""

import random
import shutil
import subprocess
import sys

import pytest

from damage import WAYS
from tests_support import SMALLEST
from winnow.store import hash_tree, read_json

pytestmark = pytest.mark.long

MORE = ["--set", "pool.hygiene={}", "--set", "study.sweep.learning_rate=[1e-3, 3e-3]", "--set",
        "selection.arms=[full, herding]", "--set", "selection.controls=false"]  # fmt: skip
KINDS = {
    "corpus", "evaluate", "generate", "hygiene", "pool", "represent", "select", "sweep", "tests", "tokenizer", "train",
    "trial",
}  # fmt: skip


def winnow(folder, *more):
    command = [sys.executable, "-m", "winnow", "run", str(SMALLEST), "--out", str(folder), "--workers", "1", *MORE]
    return subprocess.run([*command, *more], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "study"
    done = winnow(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_kind_of_artifact_is_looked_at(finished):
    assert {path.name for path in (finished.parent / ".store").iterdir()} == KINDS


@pytest.mark.parametrize("kind", ["evaluate", "pool", "represent", "sweep", "tokenizer", "train"])
def test_damage_is_named_and_the_artifact_made_again_to_the_same_bits(finished, kind):
    before = hash_tree(finished, ["adapters"])
    stages = read_json(finished / "records" / "stages.json")
    draw = random.Random(kind)
    artifact = draw.choice(sorted(path.parent for path in (finished.parent / ".store" / kind).rglob("record.json")))
    files = sorted(path for path in artifact.rglob("*") if path.is_file())
    file = draw.choice([path for path in files if path.stat().st_nlink == 1])  # others: tests/study/test_weights.py
    draw.choice(WAYS[:4])(file, None)
    refused = winnow(finished)
    assert refused.returncode == 1 and file.name in refused.stderr, refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("winnow: ")]
    assert f"remove the folder {artifact} and run again" in line
    shutil.rmtree(artifact)
    again = winnow(finished)
    assert again.returncode == 0, again.stderr
    assert hash_tree(finished, ["adapters"]) == before
    assert {(each["name"], each["digest"]) for each in read_json(finished / "records" / "stages.json")} == {
        (each["name"], each["digest"]) for each in stages
    }
