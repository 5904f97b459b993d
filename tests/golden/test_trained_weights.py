"""Tiny runs of every objective that winnow had first, to the bit: what a change of the loop must not change.

python tests/golden/test_trained_weights.py      # writes trained_weights.json anew; say in the changelog why it changed

Digests are compared where processor and torch are those that made them; elsewhere the last bits of a sum differ, and
losses, counts and the norm of the weights are compared instead.
"""

import hashlib
import json
import math
import platform
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from toys import ARCHITECTURE, store_artifact, store_tokenizer, token_table, toy_examples, toy_model, toy_tokenizer

from winnow.models import loading
from winnow.parts import TrainPart
from winnow.recipe import BudgetRecipe, LoraRecipe, TrainingRecipe
from winnow.records import Context, Cost
from winnow.store import read_json
from winnow.training.stages import train_model

KEPT = Path(__file__).with_name("trained_weights.json")
FULL = {"method": "full", "per_device_batch_size": 4, "learning_rate": 1e-3, "checkpoint_every_seconds": 0.0}
LORA = FULL | {"method": "lora", "lora": LoraRecipe(r=2, lora_dropout=0.1), "learning_rate": 1e-2}
SFT = ("data", "tokenizer", "start")
RUNS = {
    "full": (SFT, FULL, {}),
    "full, an arm with weights": ((*SFT, "selection"), FULL, {"every_steps": 2}),
    "lora, an arm": ((*SFT, "selection"), LORA, {"every_steps": 2, "leaves": "adapter"}),
    "lora, merged": (SFT, LORA, {}),
    "packing": (SFT, FULL | {"packing": True, "loss_on": "all", "schedule": "cosine"}, {}),
    "float64": (SFT, FULL | {"precision": "float64", "gradient_checkpointing": True}, {"budget": {"flops": 2e8}}),
    "pretraining": (("data", "tokenizer"), FULL | {"loss_on": "all"}, {
        "objective": "pretraining", "architecture": ARCHITECTURE, "context_tokens": 32,
    }),
}  # fmt: skip


def constant_probe(model):
    scores = {"loss": 2.0, "exact_match": 0.5}
    cost = Cost(flops=1.0, tokens=1, seconds=0.1)
    return {"validation": {"loss": 1.0, "items": 2}, "sets": {}, "micro": scores, "macro": scores, "cost": cost}


def inputs_in(root):
    """A pool of twelve examples, ten documents, a base model and a weighed selection of five."""
    pool = store_artifact(root, "pool", "pool", {"examples": 12})
    table = token_table(toy_examples(12))
    pq.write_table(table, pool.folder / "train.parquet")
    pq.write_table(pa.table({"text": ["Tom has 12 eggs. " * 4] * 10}), pool.folder / "documents.parquet")
    base = store_artifact(root, "model", "base", {"model": "some/base"})
    loading.save_model(toy_model(), base.folder / "last", toy_tokenizer(), None)
    selection = store_artifact(root, "select", "five", {"charged_flops": 3e7})
    chosen = {"id": table["id"].to_pylist()[4:9], "rank": range(5), "weight": [0.5, 1.5, 1.0, 0.75, 1.25]}
    pq.write_table(pa.table(chosen), selection.folder / "selection.parquet")
    return {"data": pool, "tokenizer": store_tokenizer(root), "start": base, "selection": selection}


def made(name, root):
    """What one of the runs comes to."""
    roles, training, others = RUNS[name]
    others = {"objective": "sft", "global_batch_size": 8, "seed": 3, "budget": {"examples": 20}} | others
    budget = BudgetRecipe(**others.pop("budget"))
    part = TrainPart(training=TrainingRecipe(**training), budget=budget, **others)
    inputs = inputs_in(root)
    stored = store_artifact(root, "train", "run")
    context = Context(stored.folder, make_probe=lambda model: constant_probe)
    train_model(part, {role: inputs[role] for role in roles}, context)
    records = read_json(stored.folder / "training_records.json")
    weights = load_file(next((stored.folder / "last").glob("*.safetensors")))
    return {
        "weights": digest(weights),
        "norm": math.sqrt(sum(float(weight.double().square().sum()) for weight in weights.values())),
        "plan": records["plan"],
        "steps": [without_seconds(step) for step in records["steps"]],
        "evaluations": [without_seconds(at) for at in records["evaluations"]],
        "costs": {meter: without_seconds(cost) for meter, cost in records["costs"].items()},
    }


def digest(weights):
    found = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        found.update(name.encode() + weight.numpy().tobytes())
    return found.hexdigest()[:16]


def without_seconds(tree):
    return {key: value for key, value in tree.items() if "seconds" not in key}


def here():
    """What the last bits depend on."""
    models = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    processor = models[0].split(": ")[1] if models else platform.processor()
    return {"processor": f"{processor}, {torch.backends.cpu.get_cpu_capability()}", "torch": torch.__version__}


def _lines(path):
    return path.read_text().splitlines() if path.exists() else []


def nearly(tree):
    if isinstance(tree, dict):
        return {key: nearly(value) for key, value in tree.items() if key != "weights"}
    return [nearly(value) for value in tree] if isinstance(tree, list) else pytest.approx(tree, rel=1e-4)


@pytest.mark.parametrize("name", RUNS)
def test_runs_come_to_the_weights_that_they_came_to(name, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))
    kept, now = json.loads(KEPT.read_text()), made(name, tmp_path)
    if kept["here"] == here():
        assert now == kept["runs"][name]
    now.pop("weights")
    assert now == nearly(kept["runs"][name])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: made(name, Path(folder) / str(number)) for number, name in enumerate(RUNS)}
    KEPT.write_text(json.dumps({"here": here(), "runs": runs}, indent=0) + "\n")
