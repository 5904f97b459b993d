"""The training stage, killed at random instants and at every one of its calls to the disk: always to the same end.

`pytest tests/long/test_killed_training.py -s` prints where the kills fell. Children are forked from this process, which
has its libraries, model and tokenizer ready, so that a kill and a restart cost well under a second.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from toys import store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer

from faults import FAULTS, Disk, Killed
from winnow.models import loading
from winnow.models.forward import Losses
from winnow.parts import TrainPart
from winnow.recipe import BudgetRecipe, LoraRecipe, TrainingRecipe
from winnow.records import Artifact, Context, Cost, Silent
from winnow.store import Store, hash_json, hash_tree, read_json
from winnow.training import checkpoints, loop, stages, tally

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(torch.cuda.is_available(), reason="forks, which an initialised accelerator does not survive"),
]
KILLS, KILLS_A_RUN = 50, 5
LORA = LoraRecipe(r=2, lora_dropout=0.2)


def part_of(visits):
    """An arm with dropout, evaluated every second step, with a checkpoint after every step."""
    training = TrainingRecipe(per_device_batch_size=4, learning_rate=1e-2, lora=LORA, checkpoint_every_seconds=0.0)
    budget = BudgetRecipe(examples=visits)
    return TrainPart(
        objective="sft", training=training, global_batch_size=8, budget=budget, every_steps=2, seed=1, leaves="adapter"
    )


def probe(model):
    """Scores that follow the weights and jump up and down, so that the best step changes on the way."""
    weights = torch.cat([w.detach().flatten() for w in model.parameters() if w.requires_grad]).double()
    score = {"loss": 2 + math.sin(1e4 * float(weights.sum())), "exact_match": 0.5}
    sets = {"sums": {**score, "items": 1, "target_tokens": 3}}
    cost = Cost(flops=1.0, tokens=1, seconds=0.1)
    return {"validation": {**score, "items": 2}, "sets": sets, "micro": score, "macro": score, "cost": cost}


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A pool, a selection of it, a base model and a tokenizer, the latter two kept in memory."""
    monkeypatch.setattr(loading, "load_model", lambda stored: toy_model())
    monkeypatch.setattr(stages, "tokenizer_of", lambda stored: toy_tokenizer())
    pool = store_artifact(tmp_path, "pool", "pool", {"examples": 12})
    table = token_table(toy_examples(12))
    pq.write_table(table, pool.folder / "train.parquet")
    selection = store_artifact(tmp_path, "select", "nine", {"charged_flops": 3e7})
    ids = table["id"].to_pylist()[:9]
    pq.write_table(pa.table({"id": ids, "rank": range(9)}), selection.folder / "selection.parquet")
    start = store_artifact(tmp_path, "model", "base", {"model": "some/base"})
    return {"data": pool, "tokenizer": store_tokenizer(tmp_path), "start": start, "selection": selection}


def make(root, part, inputs):
    """What a walk does for one stage: the artifact, found or made; its optimizer's hash is left beside it."""
    store = Store(root)
    found = store.find("train", "run")
    if found is not None:
        return found
    folder = store.draft("train", "run")
    outcome = stages.train_model(part, inputs, Context(folder, Silent(), lambda model: probe))
    outputs = hash_tree(folder, outcome.outputs)
    artifact = Artifact(
        "run", "train", "run", hash_json(outputs), {}, outcome.costs, outcome.wasted, outcome.numbers,
        outputs | hash_tree(folder, outcome.logs),
    )  # fmt: skip
    return store.commit("train", "run", artifact)


def remember_optimizer(monkeypatch, place):
    """Let training leave the hash of the optimizer's last state in this file."""
    kept, build, train = [], loop.build_optimizer, stages.train

    def built(*given):
        kept.append(build(*given))
        return kept[-1]

    def trained(*given):
        done = train(*given)
        state = kept[-1].state_dict()["state"]
        tensors = [v for _, entry in sorted(state.items()) for _, v in sorted(entry.items())]
        assert len(tensors) > 10
        place.write_text(hashlib.sha256(b"".join(v.contiguous().numpy().tobytes() for v in tensors)).hexdigest())
        return done

    monkeypatch.setattr(loop, "build_optimizer", built)
    monkeypatch.setattr(stages, "train", trained)


def without_seconds(tree):
    if isinstance(tree, dict):
        return {key: without_seconds(value) for key, value in tree.items() if "seconds" not in key and key != "wasted"}
    return [without_seconds(value) for value in tree] if isinstance(tree, list) else tree


def end_of(root):
    """All bits that a run ends in: weights by their hashes, optimizer, records and charges."""
    stored = Store(root).find("train", "run")
    files = {name: digest for name, digest in stored.artifact.files.items() if name.startswith(("best/", "last/"))}
    assert hash_tree(stored.folder, ["best", "last"]) == files and any("best/adapter_model" in name for name in files)
    left = sorted(path.name for path in stored.folder.iterdir())
    assert left == ["best", "last", "record.json", "start.json", "training_records.json"]
    records = read_json(stored.folder / "training_records.json")
    costs = {meter: without_seconds(dataclasses.asdict(cost)) for meter, cost in stored.artifact.costs.items()}
    assert records["costs"]["train"]["tokens"] == records["plan"]["tokens"]
    assert records["steps"][-1]["visits"] == records["plan"]["visits"]
    return files, (root / "optimizer").read_text(), without_seconds(records), costs, stored.artifact.numbers


def wasted(root):
    cost = Store(root).find("train", "run").artifact.wasted
    return cost.tokens, cost.flops


class OwnJournal:
    """What attempts did, as the test itself sees it: a line when one begins, after every step and evaluation."""

    def __init__(self, place):
        self.place = place

    def write(self, **entry):
        with self.place.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def listen(self, monkeypatch):
        resume, note = tally.Journal.resume, tally.Journal.note

        def resumed(journal, spent):
            resume(journal, spent)
            self.write(event="resume", tokens=spent.tokens, flops=spent.flops)

        def noted(journal, spent):
            note(journal, spent)
            self.write(event="done", tokens=spent.tokens, flops=spent.flops)

        monkeypatch.setattr(tally.Journal, "resume", resumed)
        monkeypatch.setattr(tally.Journal, "note", noted)

    def entries(self, event):
        lines = [json.loads(line) for line in self.place.read_text().splitlines()] if self.place.exists() else []
        return [line for line in lines if line["event"] in event]

    def redone(self):
        """Tokens and FLOPs between where each attempt came to and where the next one began."""
        pairs = list(itertools.pairwise(self.entries(("resume", "done"))))
        gaps = [(a, b) for a, b in pairs if b["event"] == "resume"]
        return tuple(sum(max(0, a[unit] - b[unit]) for a, b in gaps) for unit in ("tokens", "flops"))


def forked(work):
    """The id of a child that does the work and nothing else."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def is_killed(child):
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "an attempt failed; its traceback is above"
    return False


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(root, part, inputs, arm_kill=lambda own, monkeypatch: None):
    """One attempt, to be run in a child; `arm_kill` lays the mine."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a kill of the process loses nothing of what is written
    root.mkdir(exist_ok=True)
    own = OwnJournal(root / "own.jsonl")
    arm_kill(own, monkeypatch)
    own.listen(monkeypatch)
    remember_optimizer(monkeypatch, root / "optimizer")
    make(root, part, inputs)


def on_disk(at, fault):
    """A kill before, in the middle of, or after the call number `at` to the disk."""

    def arm(own, monkeypatch):
        disk = Disk(monkeypatch, at=at, die=die)

        def fail(name, path, *given):
            own.write(event="killed", where=name)
            # After a note the step would count as done in one journal and not yet in the test's own.
            FAULTS["killed" if name == "append" else fault](disk, name, path, *given)

        disk.go_wrong = fail

    return arm


def in_step(at):
    """A kill in the middle of a step, before the forward pass number `at`."""

    def arm(own, monkeypatch):
        count, whole = itertools.count(1), Losses.scaled_sum

        def scaled_sum(*given):
            if next(count) == at:
                own.write(event="killed", where="step")
                die()
            return whole(*given)

        monkeypatch.setattr(Losses, "scaled_sum", scaled_sum)

    return arm


def measure(root, part, inputs):
    """The undisturbed run: its end, its calls to the disk, its backward passes, its seconds."""
    counts = {}

    def work():
        started, passes, whole = time.perf_counter(), itertools.count(), Losses.scaled_sum

        def arm(own, monkeypatch):
            counts["disk"] = Disk(monkeypatch)
            monkeypatch.setattr(Losses, "scaled_sum", lambda *given: (next(passes), whole(*given))[1])

        attempt(root, part, inputs, arm)
        seconds = time.perf_counter() - started
        (root / "counts").write_text(json.dumps([counts["disk"].count, next(passes), seconds]))

    assert not is_killed(forked(work))
    assert wasted(root) == (0, 0)
    return end_of(root), *json.loads((root / "counts").read_text())


def test_killed_at_random_instants_every_restart_ends_in_the_same_bits(inputs, tmp_path):
    part, rng, kinds = part_of(80), random.Random(0), Counter()
    end, calls, passes, seconds = measure(tmp_path / "whole", part, inputs)
    assert end[2]["best"]["step"] > 0 and len({at["validation"]["loss"] for at in end[2]["evaluations"]}) > 4
    largest = max(b - a for a, b in itertools.pairwise([0, *(at["tokens"] for at in end[2]["steps"])]))
    redone = 0
    for number in itertools.count():
        root, by_clock = tmp_path / f"run{number}", 0
        own = OwnJournal(root / "own.jsonl")
        # Runs with kills by the clock, whose instants nobody knows, are checked to within a step for each of them.
        has_clock = number % 3 == 2
        for _ in range(min(KILLS_A_RUN, KILLS - kinds.total())):
            kind = rng.choice(("disk", "step", "clock") if has_clock else ("disk", "disk", "step"))
            arm = {
                "disk": on_disk(rng.randint(1, calls // 2), rng.choice(("killed", "torn", "killed after"))),
                "step": in_step(rng.randint(1, passes // 2)), "clock": lambda own, patch: None,
            }[kind]  # fmt: skip
            child = forked(lambda root=root, arm=arm: attempt(root, part, inputs, arm))
            if kind == "clock":
                time.sleep(rng.uniform(0, seconds))
                os.kill(child, signal.SIGKILL)
            if is_killed(child):
                by_clock += kind == "clock"
                kinds["clock" if kind == "clock" else own.entries("killed")[-1]["where"]] += 1
        assert not is_killed(forked(lambda root=root: attempt(root, part, inputs)))
        assert end_of(root) == end
        tokens, flops = own.redone()
        assert tokens <= wasted(root)[0] <= tokens + by_clock * largest
        assert by_clock or wasted(root)[1] == pytest.approx(flops, rel=1e-9)
        redone += wasted(root)[0]
        if kinds.total() == KILLS:
            break
    on_the_disk = sum(kinds[name] for name in ("write", "append", "sync", "rename", "remove"))
    print(
        f"\n{KILLS} kills in {number + 1} runs: {on_the_disk} inside writes to the disk, {kinds['step']} inside steps, "
        f"{kinds['clock']} by the clock; all resumed to the same bits; {redone} tokens done again, "
        f"{end[3]['train']['tokens']} charged to each run"
    )
    assert on_the_disk >= KILLS // 3 and min(kinds["step"], kinds["clock"]) > 0 and redone > 0


@pytest.mark.filterwarnings("ignore:checkpoint step_.* is damaged", "ignore:no checkpoint in")
def test_whatever_goes_wrong_at_the_nth_call_the_run_ends_in_the_same_bits(inputs, tmp_path, monkeypatch):
    part = part_of(16)
    end, calls, _, _ = measure(tmp_path / "whole", part, inputs)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    ways = [name for name in FAULTS if name != "dropped"]
    for at, fault in zip(range(1, calls + 1), itertools.cycle(ways), strict=False):
        root = tmp_path / f"{fault} {at}"
        root.mkdir()
        with monkeypatch.context() as patch:
            remember_optimizer(patch, root / "optimizer")
            with patch.context() as broken, pytest.raises((Killed, OSError)):
                Disk(broken, fault, at)
                make(root, part, inputs)
            make(root, part, inputs)
        assert end_of(root) == end, (fault, at)
    print(f"\neach of {calls} calls to the disk gone wrong, in one of {len(ways)} ways: all ended in the same bits")


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    whole = path.read_bytes()
    at = random.Random(path.name).randrange(len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


DAMAGES = {"truncated": truncate, "emptied": lambda path: os.truncate(path, 0), "flipped": flip_a_bit,
           "removed": Path.unlink}  # fmt: skip


def test_any_damaged_file_is_named_and_the_run_ends_in_the_same_bits(inputs, tmp_path, monkeypatch):
    part, killed = part_of(48), tmp_path / "killed"
    end, _, passes, _ = measure(tmp_path / "whole", part, inputs)
    assert is_killed(forked(lambda: attempt(killed, part, inputs, in_step(passes * 2 // 3))))
    places = Path("train") / "run.partial" / loop.CHECKPOINTS
    newest = checkpoints.newest_place(killed / places)
    best = newest.parent / read_json(newest / checkpoints.MANIFEST)["best"]
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    names = [path.relative_to(newest.parent) for place in (newest, best) for path in sorted(place.rglob("*"))]
    assert len(names) >= 9
    for name, damage in itertools.product(names, DAMAGES):
        root = tmp_path / f"{name.parent} {name.name} {damage}"
        shutil.copytree(killed, root)
        DAMAGES[damage](root / places / name)
        with monkeypatch.context() as patch, pytest.warns(UserWarning) as caught:
            remember_optimizer(patch, root / "optimizer")
            make(root, part, inputs)
        said = [str(warning.message) for warning in caught]
        # A flipped bit in a manifest shows as the file whose name or hash it is about.
        named = "" if (name.name, damage) == (checkpoints.MANIFEST, "flipped") else name.name
        assert any(line.startswith(f"checkpoint {newest.name} is damaged (") and named in line for line in said), said
        assert end_of(root) == end, root.name
        assert wasted(root)[0] > 0
    print(f"\n{len(names)} files, each damaged in {len(DAMAGES)} ways: all named, all ended in the same bits")


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.pt"])
def test_a_really_full_disk_is_told_with_the_file_and_the_older_checkpoint_stays(tmp_path, name):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    small, large = ({"a": torch.zeros(count)} for count in (10, 100_000))
    try:
        checkpoints.write(place, checkpoints.Checkpoint(1, small, small, {}, {}))
        weights, optimizer = (large, small) if name == "weights.safetensors" else (small, large)
        with pytest.raises(OSError, match=rf"No space left on device: .*{name}'"):
            checkpoints.write(place, checkpoints.Checkpoint(2, weights, optimizer, {}, {}))
        assert [path.name for path in place.iterdir()] == ["step_0000000001"]
        assert checkpoints.newest(place).step == 1
        checkpoints.write(place, checkpoints.Checkpoint(3, small, small, {}, {}))
        assert checkpoints.newest(place).step == 3
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
