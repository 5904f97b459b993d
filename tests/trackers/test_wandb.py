"""Weights & Biases without its server: what `wandb sync` would send, read from the offline run's own file."""

import json
import struct
import time

import pytest

from winnow.recipe import TrackersRecipe
from winnow.trackers.finished import FinishedRun, send
from winnow.trackers.rows import rows_of

pytestmark = pytest.mark.slow
BLOCK = 32768


def payloads(data):
    """Records of a file in LevelDB's log format (blocks of 32 KiB; a record in one piece or several)."""
    place, parts = 7, []
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield b"".join(parts)
            parts = []


def written(folder, *, patience_seconds=20):
    """Records of the one offline run below `folder`, once W&B's own process has written the last of them."""
    from wandb.proto import wandb_internal_pb2

    (place,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    give_up_at = time.monotonic() + patience_seconds
    while True:
        found = [wandb_internal_pb2.Record.FromString(payload) for payload in payloads(place.read_bytes())]
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        assert time.monotonic() < give_up_at, "W&B has not written the end of the run"
        time.sleep(0.1)


def test_an_offline_run_holds_rows_parameters_and_summary(name, records, tmp_path):
    pytest.importorskip("wandb")
    recipe = TrackersRecipe(wandb={"mode": "offline", "folder": str(tmp_path)})
    steps, evaluations = records(4)
    rows = rows_of(steps, evaluations)
    finished = FinishedRun(name, {"training.learning_rate": 2e-4}, rows, {"cost/train/flops": 4e3}, {"verdict": "no"})
    assert send(recipe, [finished]) == []
    found = written(tmp_path)
    (run,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (run.run_id, run.display_name, run.run_group) == (name.id, name.run, name.study)
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["training.learning_rate"] == 2e-4
    history = [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in found
        if record.WhichOneof("record_type") == "history"
    ]
    assert [(row["_step"], row["train/loss"]) for row in history if "train/loss" in row] == [
        (entry["step"], entry["loss"]) for entry in steps
    ]
    assert [row["_step"] for row in history if "validation/loss" in row] == [0, 2, 4]
    summary = {}
    for record in found:
        if record.WhichOneof("record_type") == "summary":
            items = record.summary.update
            summary |= {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    assert (summary["cost/train/flops"], summary["verdict"]) == (4e3, "no")
