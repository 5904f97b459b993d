"""A pool, a proxy model and a run of the stage `represent`, for tests."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from winnow.parts import RepresentPart
from winnow.recipe import LoraRecipe
from winnow.records import Artifact, Context, Cost, Stored
from winnow.selection.represent import prepare, represent
from winnow.store import write_json
from winnow.text.examples import build_example

sys.path.insert(0, str(Path(__file__).parent / "models"))
import toys

LORA = LoraRecipe(r=2, lora_alpha=4, target_modules=("c_attn", "c_proj"))


def stored(folder, **numbers):
    folder.mkdir(parents=True, exist_ok=True)
    return Stored(Artifact(folder.name, "pool", "f", "d", {}, {}, Cost(), numbers, {}), folder)


def examples(count, seed):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        words = " ".join(rng.choice(["egg", "nut", "a", "two"], rng.integers(1, 6)))
        rationale = "so " * int(rng.integers(0, 4)) + "it is"
        scores = {"quality": float(rng.normal())}
        made.append(build_example("ab"[number % 2], f"{words} {number}?", rationale=rationale, answer=str(number),
                                  scores=scores))  # fmt: skip
    return sorted(made, key=lambda each: each.id)


def make_pool(folder, count=50, target=9):
    made = stored(folder)
    pq.write_table(toys.token_table(examples(count, 1)), made.folder / "train.parquet")
    if target:
        pq.write_table(toys.token_table(examples(target, 2)), made.folder / "target.parquet")
    return made


def make_model(folder, kind="gpt2", model=None):
    """An artifact that points at a saved model and its tokenizer."""
    made = stored(folder)
    (model or toys.toy_model(kind, spread=0.2)).save_pretrained(folder / "weights")
    toys.toy_tokenizer().save_pretrained(folder / "weights")
    write_json(folder / "model.json", {"model": str(folder / "weights"), "revision": None})
    return made


def inputs_in(folder):
    """Pool and model of a folder, made where they are missing."""
    pool, model = folder / "pool", folder / "model"
    return {
        "pool": stored(pool) if pool.is_dir() else make_pool(pool),
        "model": stored(model) if model.is_dir() else make_model(model),
    }


def part_of(recipe):
    return RepresentPart(representation=recipe, lora=LORA if recipe.kind == "gradients" else None)


def run(folder, recipe, inputs=None):
    """Run the stage in `folder`; gives the outcome and the rows of the pool."""
    folder.mkdir(exist_ok=True)
    outcome = represent(part_of(recipe), inputs or inputs_in(folder.parent), Context(folder))
    return outcome, read(folder / outcome.outputs[0])


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    from scipy import sparse

    return sparse.load_npz(path).toarray()


def make_some(root, folder, recipe, remainder):
    """Every second shard, as another process would make it."""
    work = prepare(part_of(recipe), inputs_in(Path(root)), Path(folder))
    for number, shard in reversed(list(enumerate(work.shards))):
        if number % 2 == remainder:
            work.make(shard)


def with_costs(made, **costs):
    return replace(made, artifact=replace(made.artifact, costs=costs))
