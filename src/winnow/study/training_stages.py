"""Stages that train: the base model, the recipe's own stages, and the runs of the arms."""

from collections.abc import Mapping
from typing import Any

from winnow.budget import CHARGES_SELECTION
from winnow.errors import RecipeError, nearest
from winnow.parts import CooldownPart, CorpusPart, ModelPart, TokenizerPart, TrainPart
from winnow.recipe import EACH, NATURAL, BudgetRecipe, PretrainRecipe, Recipe, StageRecipe, TrainingRecipe
from winnow.records import Stage
from winnow.study.arms import Arm
from winnow.study.data_stages import generated_inputs, tokenizer_stage
from winnow.study.selections import global_batch_size
from winnow.study.sweeps import sweep_stage
from winnow.study.text_stages import (
    ArmRun,
    mixture_part,
    of_part,
    row_cost_stage,
    run_inputs,
    text_start,
    tokens_inputs,
)

BASE = "base"


def base_stages(recipe: Recipe) -> list[Stage]:
    """The base model, and what it is made from where the recipe makes it."""
    base, pretrain = recipe.base, recipe.base.pretrain
    if base.from_scratch is not None:
        return []  # every run makes its own; what it is before stands among the stages of plain text
    if pretrain is None:
        assert base.model is not None
        return [Stage(BASE, "model", ModelPart(model=base.model, revision=base.revision))]
    part = TokenizerPart(tokenizer=pretrain.tokenizer, context_tokens=pretrain.context_tokens)
    corpus = CorpusPart(sources=pretrain.sources)
    return [
        Stage("corpus", "corpus", corpus, {"tests": "tests"} | generated_inputs(pretrain.sources)),
        Stage("tokenizer", "tokenizer", part, {"corpus": "corpus"}),
        Stage(BASE, "train", _pretraining(recipe, pretrain), {"data": "corpus", "tokenizer": "tokenizer"}),
    ]


def _pretraining(recipe: Recipe, pretrain: PretrainRecipe) -> TrainPart:
    return TrainPart(
        training=pretrain.training,
        **pretrain.training.objective.of_part(),
        global_batch_size=batch_size(recipe, pretrain.training),
        architecture=pretrain.architecture,
        context_tokens=pretrain.context_tokens,
        seed=pretrain.seed,
        devices=recipe.machine.devices,
        **_spending(recipe, pretrain.budget),
    )


def _spending(recipe: Recipe, budget: BudgetRecipe) -> dict[str, Any]:
    """The fields of a training part that say what it may spend; speed and price only where they matter."""
    uses_time = budget.unit in ("seconds", "dollars")
    return {
        "budget": budget,
        "flops_per_second": recipe.machine.flops_per_second if uses_time else None,
        "dollars_per_hour": recipe.machine.dollars_per_hour if budget.unit == "dollars" else 0.0,
        "charge_selection": budget.unit in CHARGES_SELECTION,
    }


def batch_size(recipe: Recipe, training: TrainingRecipe) -> int:
    """Examples per optimizer step of this training."""
    return global_batch_size(recipe, training.per_device_batch_size, training.gradient_accumulation_steps)


# ---------------------------------------------------------------------------------------- the recipe's stages


def own_stages(recipe: Recipe) -> list[Stage]:
    """The training stages that the recipe spells out, each after the one it starts from; some anew for each seed.

    Raises RecipeError where one starts from a stage that does not stand before it, or that is not one for all seeds.
    """
    stages: list[Stage] = []
    before = dict[str, StageRecipe]()
    for own in recipe.stages:
        below = own.cooldown_of or own.start
        _check_start(own, below, before)
        stages += _own_mixture(recipe, own) if recipe.is_text and own.cooldown_of is None else []
        for seed in recipe.study.seeds if is_each(own, before) else (None,):
            stages.append(_own_stage(recipe, own, seed, before, stages))
        before[own.name] = own
    return stages


def _check_start(own: StageRecipe, below: str, before: Mapping[str, StageRecipe]) -> None:
    if own.cooldown_of is not None:
        return  # which `_branch` looks at
    if below not in (known := [BASE, *before]):
        rest = f"{nearest(below, known)}; before it stand {', '.join(known)}"
        raise RecipeError(f"stage {own.name!r} starts from {below!r}{rest}")
    if below in before and is_each(before[below], before) and own.seed != EACH:
        raise RecipeError(
            f"stage {own.name!r} starts from {below!r}, which every seed trains anew; give it `seed: {EACH}` too"
        )


def _own_stage(
    recipe: Recipe, own: StageRecipe, seed: int | None, before: Mapping[str, StageRecipe], stages: list[Stage]
) -> Stage:
    name = own.name if seed is None else f"{own.name}.s{seed}"
    if own.cooldown_of is not None:
        return _branch(own, name, seed, stages)
    chosen = own.seed if isinstance(own.seed, int) else seed
    assert chosen is not None  # a stage of which every seed has its own is made for a seed
    part, start = _own_part(recipe, own, chosen), start_stage(before, own.start, seed)
    if recipe.is_text:
        return Stage(name, "train", part, run_inputs(recipe, own.name, text_start(recipe, start)), seed=seed)
    return Stage(name, "train", part, {"data": "pool", "start": start, "tokenizer": tokenizer_stage(recipe)}, seed=seed)


def _own_part(recipe: Recipe, own: StageRecipe, seed: int) -> TrainPart:
    return TrainPart(
        training=own.training, **own.training.objective.of_part(), global_batch_size=batch_size(recipe, own.training),
        sources=own.sources, seed=seed, devices=recipe.machine.devices,
        keep_every_steps=own.keep_every_steps, keep_at=own.keep_at, **_spending(recipe, own.budget),
        **of_part(recipe, own.start),
    )  # fmt: skip


def _own_mixture(recipe: Recipe, own: StageRecipe) -> list[Stage]:
    """What a stage on plain text reads of each source: shares of its own, or the study's."""
    run = ArmRun(_own_part(recipe, own, 0), text_start(recipe, own.start))
    part, inputs = mixture_part(recipe, run.part, own.mixture or recipe.mixture), tokens_inputs(recipe)
    if own.budget.unit not in CHARGES_SELECTION:
        return [Stage(f"mixture.{own.name}", "mixture", part, inputs)]
    cost = row_cost_stage(recipe, own.name, run)
    return [cost, Stage(f"mixture.{own.name}", "mixture", part, inputs | {"row_cost": cost.name})]


def is_each(own: StageRecipe, stages: Mapping[str, StageRecipe]) -> bool:
    """Whether every seed of the study trains this stage anew; a branch does as the stage that it cools down."""
    trunk = stages.get(own.cooldown_of or "")
    return own.seed == EACH if trunk is None else is_each(trunk, stages)


def start_stage(stages: Mapping[str, StageRecipe], name: str, seed: int | None) -> str:
    """Name of the stage that a run of this seed starts from, where the recipe says `name`."""
    return f"{name}.s{seed}" if name in stages and is_each(stages[name], stages) else name


def start_for_all(recipe: Recipe) -> str:
    """Name of the stage that the study's runs start from; of a chain that every seed has anew, what is below it."""
    stages, name = {own.name: own for own in recipe.stages}, recipe.training.start
    while name in stages and is_each(stages[name], stages):
        name = stages[name].cooldown_of or stages[name].start
    return name


def _branch(own: StageRecipe, name: str, seed: int | None, stages: list[Stage]) -> Stage:
    """A stage that goes on from another one's kept state, as that one trains, and cools down."""
    trunks = {
        stage.name: stage for stage in stages if isinstance(stage.part, TrainPart) and stage.part.cooldown is None
    }
    wanted = own.cooldown_of or ""
    trunk = trunks.get(wanted if seed is None else f"{wanted}.s{seed}")
    if trunk is None:
        known = ", ".join(trunks) or "none"
        raise RecipeError(
            f"stage {own.name!r} cools down {own.cooldown_of!r}{nearest(wanted, trunks)}; "
            f"the stages before it that are no branches: {known}"
        )
    assert isinstance(trunk.part, TrainPart)
    if own.budget.unit != trunk.part.budget.unit:
        raise RecipeError(
            f"stage {own.name!r} has a budget in {own.budget.unit}, {trunk.name!r}, which it cools down, one in "
            f"{trunk.part.budget.unit}; use one unit"
        )
    cooldown = CooldownPart(budget=own.budget, fraction=own.cooldown_fraction)
    part = trunk.part.model_copy(update={"cooldown": cooldown, "keep_every_steps": None, "keep_at": ()})
    return Stage(name, "train", part, {**trunk.inputs, "trunk": trunk.name}, seed=seed)


def ancestry(name: str, own: Mapping[str, StageRecipe]) -> list[str]:
    """The recipe's own stages that a checkpoint rests on, itself among them."""
    found: list[str] = []
    while name in own and name not in found:
        found.append(name)
        name = own[name].cooldown_of or own[name].start
    return found


# ----------------------------------------------------------------------------------------------- the arms' runs


def check_starts(recipe: Recipe, arms: list[Arm]) -> None:
    """Raises RecipeError where an arm starts from a stage that is not there."""
    known = [BASE, *(own.name for own in recipe.stages)]
    for start in dict.fromkeys([recipe.training.start, *(arm.recipe.training.start for arm in arms)]):
        if start not in known:
            raise RecipeError(f"training.start is {start!r}{nearest(start, known)}; known stages: {', '.join(known)}")


def run_stage(recipe: Recipe, arm: Arm, arms: list[Arm], trunks: Mapping[str, Arm], seed: int, selection: str) -> Stage:
    """The run of an arm and a seed on its selection; of an arm in `trunks` a branch of that one's run."""
    inputs = _inputs(recipe, arm, seed, selection)
    if recipe.best_by == "test":
        inputs["tests"] = "tests"
    sweep = sweep_stage(recipe, arm, arms)
    if sweep is not None:
        inputs["sweep"] = sweep
    trunk = trunks.get(arm.name)
    if trunk is None:
        kept = tuple(_cooldown(each) for each in arms if each.name in trunks and trunks[each.name] is arm)
        part = run_part(arm.recipe, seed).model_copy(update={"keep_for": kept})
    else:
        part = run_part(trunk.recipe, seed).model_copy(update={"cooldown": _cooldown(arm)})
        inputs["trunk"] = f"train.{trunk.name}.s{seed}"
    return Stage(f"train.{arm.name}.s{seed}", "train", part, inputs, arm.name, seed)


def _inputs(recipe: Recipe, arm: Arm, seed: int, selection: str) -> dict[str, str]:
    own = {stage.name: stage for stage in recipe.stages}
    start = start_stage(own, arm.recipe.training.start, seed)
    if recipe.is_text:
        return run_inputs(recipe, arm.name, text_start(recipe, start))
    return {"data": "pool", "selection": selection, "start": start, "tokenizer": tokenizer_stage(recipe)}


def first_run(arm: Arm) -> ArmRun:
    """The run of the study's first seed of an arm on plain text."""
    own, seed = {stage.name: stage for stage in arm.recipe.stages}, arm.recipe.study.seeds[0]
    start = start_stage(own, arm.recipe.training.start, seed)
    return ArmRun(run_part(arm.recipe, seed), text_start(arm.recipe, start))


def _cooldown(arm: Arm) -> CooldownPart:
    """How a branch ends: its decay."""
    return CooldownPart(budget=arm.recipe.budget, fraction=arm.recipe.training.decay_fraction)


def run_part(recipe: Recipe, seed: int) -> TrainPart:
    """What is asked of a run of an arm."""
    return TrainPart(
        training=recipe.training, **recipe.training.objective.of_part(), leaves="adapter",
        global_batch_size=batch_size(recipe, recipe.training),
        every_steps=recipe.evaluation.every_steps, best_by=recipe.best_by, seed=seed,
        devices=recipe.machine.devices, **_spending(recipe, recipe.budget),
        **of_part(recipe, recipe.training.start), **_mixed(recipe),
    )  # fmt: skip


def _mixed(recipe: Recipe) -> dict[str, Any]:
    """The fields of a part whose run mixes sources of examples; none where every row is visited equally often."""
    if recipe.is_text or recipe.mixture == NATURAL:
        return {}
    return {"mixture": recipe.mixture, "sources": tuple(source.name for source in recipe.pool.sources)}
