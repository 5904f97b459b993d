"""Writes a plausible study folder from the file contracts in docs/architecture.md, with planted effects."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from winnow.records import Artifact, Cost, to_json
from winnow.store import write_json

SETS = {"gsm_like": (400, 0.0, 0.02, 0.0), "choice_like": (600, 0.2, 0.24, 1.0)}
"""Evaluation set -> items, random level, constant level, multiple-choice share."""
POOL = {"gsm_like": 3000, "aqua_like": 5000, "noise": 2000}
STEPS = tuple(range(0, 401, 20))
FLOPS_PER_STEP = {"full": 4e12}
SECONDS_PER_STEP = 0.5
FEATURES = Cost(flops=6e13, executed_flops=7e13, flops_6n=5e13, tokens=300_000, padded_tokens=320_000, seconds=9.0)

EFFECTS = {"full": 0.0, "herding_0.25": 0.05, "random_0.25": -0.01, "equal_shares_0.25": 0.0}
"""Arm -> how much lower its loss levels off than the full pool's, in nats."""


def write_study(
    folder: Path,
    *,
    effects=EFFECTS,
    seeds=(0, 1, 2),
    noise=0.004,
    seed=7,
    not_affordable=None,
    primary=None,
    features=FEATURES,
    licences=None,
):
    """A study with these arms; `noise` is the spread of a run's level over seeds, in nats; `features` is their cost,
    `licences` those of evaluation sets that are not MIT.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    YAML().dump(recipe(seeds, primary or {}, licences or {}), folder / "recipe.yaml")
    write_json(folder / "study.json", settings(seeds, not_affordable or {}))
    write_json(
        folder / "records/pool.json",
        {"pool": {"examples": 10000, "truncated": 12, "removed_overlaps_total": 37}, "tests": {}},
    )
    stages = [
        stage("pool", "pool", {}),
        stage("base", "train", {"data": "pool"}, costs={"train": Cost(flops=1e15, seconds=60)}),
    ]
    stages.append(stage("features", "represent", {"pool": "pool", "model": "base"}, costs={"represent": features}))
    write_json(folder / "records/evaluation.zero_shot.json", evaluation(rng, loss=4.0, exact_match=0.01))
    for arm, effect in effects.items():
        stages.append(select_stage(folder, arm, seeds))
        for each in seeds:
            stages += run_stages(folder, arm, each, seeds, effect + noise * rng.standard_normal(), rng)
    write_json(folder / "records/stages.json", stages)
    return folder


def recipe(seeds, primary, licences):
    source = {"format": "gsm8k", "path": "data/*.jsonl"}
    pool = [
        {"name": name, "licence": licence, **source}
        for name, licence in zip(POOL, ("MIT", "Apache-2.0", "unknown"), strict=True)
    ]
    return {
        "name": "planted", "pool": {"sources": pool}, "base": {"model": "models/tiny"},
        "selection": {"fractions": [0.25]}, "budget": {"pool_epochs": 4},
        "evaluation": {
            "sets": [{"name": name, "licence": licences.get(name, "MIT"), **source} for name in SETS],
            "every_steps": 20,
        },
        "study": {"seeds": list(seeds), "primary": primary},
        "machine": {"name": "toy machine", "dollars_per_hour": 36.0},
    }  # fmt: skip


def settings(seeds, not_affordable):
    return {
        "name": "planted", "identity": {"budget": {"pool_epochs": 4}, "pool": "abc"}, "first_seed": seeds[0],
        "environment": {"python": "3.11", "torch": "2.10", "peft": "0.18.1"}, "revision": "2c1885e",
        "machine": {"name": "toy machine", "flops_per_second": 8e12}, "base_path": "base",
        "not_affordable": not_affordable,
    }  # fmt: skip


def stage(name, kind, inputs, *, arm=None, seed=None, costs=None, wasted=None):
    made = Artifact(
        name,
        kind,
        f"f-{name}",
        f"d-{name}",
        {role: f"f-{below}" for role, below in inputs.items()},
        costs or {},
        wasted or Cost(),
        {},
        {},
    )
    return {**to_json(made), "arm": arm, "seed": seed, "inputs_by_name": inputs}


def select_stage(folder, arm, seeds):
    base, _, fraction = arm.rpartition("_") if arm != "full" else ("full", "", None)
    weights = np.array([1.0, 1.0, 1.0]) if base in ("full", "random") else np.array([1.6, 1.1, 0.2])
    size = round(10000 * float(fraction or 1))
    pool_shares = np.array(list(POOL.values())) / 10000
    shares = weights * pool_shares / (weights * pool_shares).sum()
    rows = [
        {
            "source": name,
            "pool_examples": POOL[name],
            "selected_examples": round(share * size),
            "pool_share": float(before),
            "selected_share": float(share),
            "ratio": float(share / before),
            "mean_tokens": 60.0,
        }
        for name, share, before in zip(POOL, shares, pool_shares, strict=True)
    ]
    write_json(
        folder / f"records/selection.{arm}.json",
        {
            "selector": base,
            "fraction": float(fraction) if fraction else None,
            "size": size,
            "pool_size": 10000,
            "seed": None,
            "composition": rows,
            "mean_tokens": 58.0,
            "pool_mean_tokens": 61.0,
            "mmd_ratio": 0.4,
        },
    )
    inputs = {"pool": "pool"} | ({"features": "features"} if base.startswith("herding") else {})
    if base.startswith("source_matched"):
        inputs["reference"] = f"select.herding_{fraction}"
    return stage(f"select.{arm}", "select", inputs, arm=arm, costs={"select": Cost(seconds=0.5, flops=1e11)})


def run_stages(folder, arm, seed, seeds, effect, rng):
    suffix = "" if seed == seeds[0] else f"_s{seed}"
    records = training_records(arm, seed, effect, rng)
    write_json(folder / f"training_records.{arm}{suffix}.json", records)
    at = {row["step"]: row for row in records["evaluations"]}
    for checkpoint, step in (("best", records["best"]["step"]), ("last", STEPS[-1])):
        micro = at[step]["micro"]
        write_json(
            folder / f"records/evaluation.{arm}{suffix}_{checkpoint}.json",
            {"arm": arm, "seed": seed, "checkpoint": checkpoint, "step": step}
            | evaluation(rng, loss=micro["loss"], exact_match=micro["exact_match"]),
        )
    run = f"train.{arm}.s{seed}"
    costs = {meter: Cost(**cost) for meter, cost in records["costs"].items()}
    inputs = {"data": "pool", "selection": f"select.{arm}", "start": "base", "tokenizer": "base"}
    return [
        stage(run, "train", inputs, arm=arm, seed=seed, costs=costs, wasted=Cost(flops=1e12, seconds=0.2)),
        stage(
            f"evaluate.{arm}.s{seed}", "evaluate", {"run": run}, arm=arm, seed=seed, costs={"evaluate": Cost(seconds=3)}
        ),
    ]


def training_records(arm, seed, effect, rng):
    per_step = FLOPS_PER_STEP.get(arm, 3.2e12)

    def level(step):
        return 1.2 - effect + 2.8 * np.exp(-step / 45) + 2e-6 * max(0, step - 260) ** 2

    def cost_at(step):
        return {
            "visits": 100 * step,
            "tokens": 6000 * step,
            "flops": per_step * step,
            "seconds": SECONDS_PER_STEP * step,
        }

    evaluations = []
    for step in STEPS:
        loss = float(level(step) + 0.001 * rng.standard_normal()) if step else 4.0
        match = float(np.clip(0.35 * step / STEPS[-1] + 0.01 * rng.standard_normal() + effect, 0, 1))
        sets = {
            name: {"loss": loss + shift, "exact_match": match, "items": 100, "target_tokens": 900}
            for name, shift in zip(SETS, (0.1, -0.1), strict=True)
        }
        average = {"loss": loss, "exact_match": match}
        evaluations.append({"step": step, **cost_at(step), "evaluation_seconds": 0.1 * step,
                            "validation": {"loss": loss - 0.05, "items": 500},
                            "sets": sets, "micro": average, "macro": average})  # fmt: skip
    best = min(evaluations, key=lambda row: row["validation"]["loss"])
    steps = [
        {"step": step, "loss": float(level(step)), "learning_rate": 2e-4, "padded_tokens": 6500 * step,
         "executed_flops": 1.1 * per_step * step, **cost_at(step)}
        for step in range(1, STEPS[-1] + 1, 10)
    ]  # fmt: skip
    end = cost_at(STEPS[-1])
    train = Cost(
        flops=end["flops"],
        executed_flops=1.1 * end["flops"],
        flops_6n=0.9 * end["flops"],
        tokens=end["tokens"],
        padded_tokens=6500 * STEPS[-1],
        seconds=end["seconds"],
    )
    return {
        "arm": arm, "seed": seed, "objective": "sft", "training": {}, "global_batch_size": 100, "mask": "completion",
        "plan": {"examples": 10000 if arm == "full" else 2500, "visits": 40000, "steps": STEPS[-1],
                 "epochs": 4.0 if arm == "full" else 16.0, "tokens": end["tokens"], "flops": end["flops"]},
        "parameters": {"total": 1_000_000, "trainable": 12_000}, "checkpoint_bytes": 48_123,
        "steps": steps, "evaluations": evaluations,
        "best": {"step": best["step"], "value": best["validation"]["loss"], "by": "validation"},
        "last": {"step": STEPS[-1]},
        "costs": {"train": to_json(train), "evaluate": to_json(Cost(seconds=40.0))},
        "wasted": to_json(Cost(seconds=0.2)),
    }  # fmt: skip


def evaluation(rng, *, loss, exact_match):
    sets = {
        name: {"items": items, "target_tokens": 9 * items, "loss": loss + 0.1, "exact_match": exact_match,
               "stderr": float(np.sqrt(exact_match * (1 - exact_match) / items)), "random_level": chance,
               "constant_level": constant, "constant_answer": "B", "multiple_choice_share": choices}
        for name, (items, chance, constant, choices) in SETS.items()
    }  # fmt: skip
    average = {"loss": loss, "exact_match": exact_match}
    return {"max_new_tokens": 64, "sets": sets, "micro": average, "macro": average}


HIDDEN = "a secret question"
"""Stands in every text of the set that may not be shown, where `write_items` is told of one."""


def write_items(folder, *, arms=tuple(EFFECTS), seeds=(0, 1, 2), hidden_set=None, num=30, words=0):
    """Item records of all runs, and the prompts; where a set is hidden, its texts have HIDDEN in them.

    `words` makes outputs longer.
    """
    items = folder / "records" / "items"
    items.mkdir(parents=True, exist_ok=True)
    heads = [(name, f"{name}:{number:04x}") for name in SETS for number in range(num)]

    def text(name, words):
        return f"{words} {HIDDEN}" if name == hidden_set else words

    prompts = {
        "set": [name for name, _ in heads], "id": [each for _, each in heads],
        "prompt": pa.array([None if name == hidden_set else f"Question: what is {each}?" for name, each in heads]),
        "prompt_hash": [f"hash{each[-4:]}" for _, each in heads],
    }  # fmt: skip
    pq.write_table(pa.table(prompts), items / "prompts.parquet")
    names = {"zero_shot": 0} | {f"{arm}{'' if seed == seeds[0] else f'_s{seed}'}_{checkpoint}": place
             for place, arm in enumerate(arms, 1) for seed in seeds for checkpoint in ("best", "last")}  # fmt: skip
    for name, place in names.items():
        correct = [number % (place + 2) == 0 for number in range(len(heads))]
        columns = {
            "set": [each for each, _ in heads], "id": [each for _, each in heads],
            "output": [text(each, f"it is {number * place}{' so' * words}") for number, (each, _) in enumerate(heads)],
            "extracted": [None if n % 7 == 0 else text(each, str(n)) for n, (each, _) in enumerate(heads)],
            "answer": [text(each, str(number)) for number, (each, _) in enumerate(heads)],
            "correct": correct, "loss": [9.0 + place] * len(heads), "target_tokens": [9] * len(heads),
        }  # fmt: skip
        pq.write_table(pa.table(columns), items / f"evaluation.{name}.parquet")
    return folder
