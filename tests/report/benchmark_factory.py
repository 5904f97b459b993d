"""Writes the records of benchmarks into a study folder, with planted scores: nothing is asked of a model."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from study_factory import stage

from winnow.store import read_json, write_json


def suffix(seed):
    """What files of a seed carry, where 0 is the first."""
    return f"_s{seed}" if seed else ""


def write_benchmarks(folder, rates, *, arm="full", seeds=(0,), items=400, reference=None):
    """Two-way items of each task, of the untrained model, which guesses, and of an arm, which is right at this rate."""
    yaml, records, draw = YAML(), folder / "records", np.random.default_rng(1)
    recipe = YAML(typ="safe").load(folder / "recipe.yaml")  # without the comment that seals it
    recipe["evaluation"]["benchmarks"] = {"tasks": list(rates), "reference": reference}
    yaml.dump(recipe, folder / "recipe.yaml")
    (records / "items").mkdir(exist_ok=True)
    stages = read_json(records / "stages.json")
    right = {}
    for task, rate in rates.items():
        for run, share in (("zero_shot", 0.5), *((f"{arm}{suffix(seed)}_best", rate) for seed in seeds)):
            right[task, run] = draw.random(items) < share
            rows = [
                {"subset": task, "item": place, "id": str(place), "metric": "acc", "score": float(each), "weight": 1}
                for place, each in enumerate(right[task, run])
            ]
            pq.write_table(pa.Table.from_pylist(rows), records / "items" / f"benchmark.{task}.{run}.parquet")
            value = right[task, run].mean()
            error = float(right[task, run].std(ddof=1) / math.sqrt(items))
            score = {"value": float(value), "stderr": error, "random_level": 0.5, "constant_level": 0.5}
            summary = {"items": items, "primary": "acc", "metrics": {"acc": score}, "left_out": None}
            write_json(records / f"benchmark.{task}.{run}.json", summary)
        stages += [
            stage(f"benchmark.{task}.{name}", "benchmark", {})
            for name in ("zero_shot", *(f"{arm}.s{seed}" for seed in seeds))
        ]
    write_json(records / "stages.json", stages)
    return right
