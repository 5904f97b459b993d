"""Writes a study folder whose arms differ in factors, with planted levels: no training."""

from itertools import product

import numpy as np
from ruamel.yaml import YAML
from study_factory import evaluation, recipe, run_stages, select_stage, settings, stage

from winnow.records import Cost
from winnow.store import write_json

RATES = {f"lr{rate:g}": {"training.learning_rate": rate} for rate in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)}
BATCHES = {f"bs{size}": {"training.gradient_accumulation_steps": size} for size in (1, 2, 4, 8)}
ADAPTERS = {"full": {"training.method": "full"}, "r4": {"training.lora.r": 4, "training.lora.lora_alpha": 8},
            "r16": {"training.lora.r": 16, "training.lora.lora_alpha": 32}}  # fmt: skip
SMALL = {"adapter": ADAPTERS, "epochs": {f"epochs{n}": {"budget.pool_epochs": n} for n in (1, 2)}}
SIXTY = {"rate": RATES, "batch": BATCHES, "adapter": ADAPTERS}


def bowl(levels):
    """How much lower than the full pool's an arm's loss levels off: best at rate 1e-4, batch 4, more so where full."""
    rate = list(RATES).index(levels["rate"]) if "rate" in levels else 2
    batch = list(BATCHES).index(levels["batch"]) if "batch" in levels else 2
    rank = list(ADAPTERS).index(levels["adapter"]) if "adapter" in levels else 0
    return 0.3 - 0.05 * (rate - 2) ** 2 - 0.02 * (batch - 2) ** 2 - 0.04 * ((2 - rank) % 3)


def write_varied(folder, vary=None, *, effect=bowl, seeds=(0, 1, 2), noise=0.004, baseline=None, primary=None,
                 skip=()):  # fmt: skip
    """A study of all combinations of these levels; `effect` is as in `write_study`; `skip` are runs not finished."""
    vary, rng = vary or SMALL, np.random.default_rng(3)
    combinations = [dict(zip(vary, levels, strict=True)) for levels in product(*vary.values())]
    arms = {"_".join(levels.values()): levels for levels in combinations}
    baseline = baseline or next(iter(arms))
    folder.mkdir(parents=True, exist_ok=True)
    tree = recipe(seeds, {"baseline": baseline, "arm": list(arms)[-1]} | (primary or {}), {})
    tree |= {"vary": vary, "selection": {"arms": ["full"], "controls": False}}
    YAML().dump(tree, folder / "recipe.yaml")
    same = {"selector": "full", "fraction": None, "control_of": None, "is_control": False, "is_added": False}
    same |= {"selection": "full", "settings": {}}
    facts = {name: same | {"factors": levels} for name, levels in arms.items()}
    write_json(folder / "study.json", settings(seeds, {}) | {"arms": facts, "baseline": baseline})
    write_json(folder / "records/pool.json", {"pool": {"examples": 10000}, "tests": {}})
    write_json(folder / "records/evaluation.zero_shot.json", evaluation(rng, loss=4.0, exact_match=0.01))
    stages = [stage("pool", "pool", {}), stage("base", "train", {"data": "pool"}, costs={"train": Cost(flops=1e15)})]
    stages.append(select_stage(folder, "full", seeds))
    for name, levels in arms.items():
        for seed in seeds:
            if (name, seed) not in skip:
                stages += run_stages(folder, name, seed, seeds, effect(levels) + noise * rng.standard_normal(), rng)
    for each in stages:
        if "selection" in each["inputs_by_name"]:
            each["inputs_by_name"]["selection"] = "select.full"
    write_json(folder / "records/stages.json", stages)
    return folder
