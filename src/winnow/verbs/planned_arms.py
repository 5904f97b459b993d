"""What the arms of a plan would use: visits, tokens, FLOPs, seconds, dollars and memory, each by its own recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from winnow.budget import CHARGES_SELECTION, Allowance, allowance, flops_6n, left_by, selected_size, steps_for
from winnow.errors import BudgetError
from winnow.ledger import dollars
from winnow.mixing.asked import resolved
from winnow.mixing.schedule import time_averages
from winnow.models.costs import FlopModel, PeakMemory
from winnow.recipe import GIVES, NATURAL, GradientsRecipe, MachineRecipe, Recipe, RepresentationRecipe, TrainingRecipe
from winnow.selection import registry
from winnow.study.arms import Arm
from winnow.study.branches import trunks_of
from winnow.study.selections import Selection, representation_of
from winnow.study.sweeps import swept_arms
from winnow.study.text_stages import proxy_share
from winnow.study.training_stages import batch_size
from winnow.text.printing import EXA
from winnow.training.schedule import cooldown_steps, warmup_steps
from winnow.verbs.planned_evaluation import evaluation_of
from winnow.verbs.planned_pool import PlannedPool
from winnow.verbs.planned_speed import Speed, seconds_of
from winnow.verbs.remembered import Remembered


@dataclass(frozen=True)
class PlannedArm:
    """One arm as it would run, per seed."""

    name: str
    fraction: float
    epochs: float
    examples: int
    visits: int
    visits_per_example: float
    steps: int
    tokens: int
    exaflops: float
    """Reference FLOPs of training, 1e18."""
    exaflops_6n: float
    """The same in the papers' convention."""
    selection_exaflops: float
    seconds: float
    dollars: float
    note: str = ""
    published: dict[str, float] | None = None
    sweep_exaflops: float = 0.0
    """Reference FLOPs of the learning-rate trials on its data, once for all seeds, beside the budget."""
    sweep_seconds: float = 0.0
    sweep_dollars: float = 0.0
    shared_exaflops: float = 0.0
    """Of its training: what a longer run does that it branches from, and is spent there."""
    shared_seconds: float = 0.0
    shared_dollars: float = 0.0
    global_batch_size: int = 0
    learning_rate: float = 0.0
    """Peak, where no sweep chooses it."""
    trainable_parameters: int = 0
    memory_bytes: int = 0
    """Of one run, on one device, at its worst moment."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Factor -> its level in this arm."""
    train_seconds: float = 0.0
    """Of training alone."""
    evaluation_exaflops: float = 0.0
    """Reference FLOPs of looking at a run, on its way and at its end, benchmarks included; beside the budget."""
    evaluation_tokens: int = 0
    evaluation_seconds: float = 0.0
    """Nothing where `machine.fixed_seconds` says what a run takes beside its training."""
    evaluation_dollars: float = 0.0
    warmup_steps: int = 0
    """Steps in which the learning rate rises."""


class Training:
    """What training by one recipe takes, worked out once for all arms that train alike, and remembered."""

    def __init__(self, recipe: Recipe, pool: PlannedPool, memory: Remembered) -> None:
        self.recipe, self.pool, self.memory = recipe, pool, memory

    @cached_property
    def costs(self) -> FlopModel:
        """FLOPs of an example of any length."""
        return self.memory.costs(self.recipe)

    @cached_property
    def adapter_bytes(self) -> int | None:
        """Size of the adapter file; None where all weights are trained."""
        return self.memory.adapter_bytes(self.recipe)

    @cached_property
    def peak(self) -> PeakMemory:
        """Memory of one device at its worst moment."""
        return self.peak_of(self.recipe.training)

    def peak_of(self, training: TrainingRecipe) -> PeakMemory:
        """The same with another section `training`; a device whose memory is declared is taken for an accelerator."""
        return self.memory.peak(self.recipe, training, self.pool)


def trainings_of(arms: list[Arm], pool: PlannedPool, memory: Remembered) -> dict[str, Training]:
    """Arm -> what its training takes."""
    known, found = dict[str, Training](), dict[str, Training]()
    for arm in arms:
        key = arm.recipe.training.model_dump_json(exclude={"learning_rate"})
        found[arm.name] = known.setdefault(key, Training(arm.recipe, pool, memory))
    return found


def planned_arms(
    recipe: Recipe, arms: list[Arm], trainings: Mapping[str, Training], pool: PlannedPool, speed: Speed
) -> list[PlannedArm]:
    """All arms, those whose rates are tried with their trials, branches with what they share."""
    machine = speed.machine
    plans = (_planned(arm, arms, trainings[arm.name], pool, machine) for arm in arms)
    found = {
        arm.name: _evaluated(plan, arm.recipe, trainings[arm.name].costs, pool, speed)
        for arm, plan in zip(arms, plans, strict=True)
    }
    trunks = trunks_of(recipe, arms)
    for arm in arms:
        if arm.name in trunks:
            found[arm.name] = _branched(found[arm.name], arm.recipe.training.decay_fraction)
    for arm in swept_arms(recipe, arms):
        found[arm.name] = _with_trials(found[arm.name], recipe, machine)
    return list(found.values())


def _evaluated(arm: PlannedArm, recipe: Recipe, costs: FlopModel, pool: PlannedPool, speed: Speed) -> PlannedArm:
    """The arm with what looking at its runs costs."""
    if arm.note:
        return arm
    looks = evaluation_of(recipe, costs, pool, steps=arm.steps)
    seconds = seconds_of(looks, speed)
    return replace(
        arm, evaluation_exaflops=looks.flops / EXA, evaluation_tokens=looks.tokens, evaluation_seconds=seconds,
        evaluation_dollars=dollars(seconds, speed.machine.dollars_per_hour),
    )  # fmt: skip


def _branched(arm: PlannedArm, fraction: float) -> PlannedArm:
    """The arm with what it does not train itself: all up to its cooldown."""
    share = 1 - cooldown_steps(arm.steps, fraction) / arm.steps if arm.steps else 0.0
    shared = {f"shared_{key}": share * getattr(arm, key) for key in ("exaflops", "seconds", "dollars")}
    return replace(arm, **shared)


def _with_trials(arm: PlannedArm, recipe: Recipe, machine: MachineRecipe) -> PlannedArm:
    """The arm with what its learning-rate sweep costs: so many trials, each a part of a run."""
    assert recipe.study.sweep is not None
    runs = len(recipe.study.sweep.learning_rate) * recipe.study.sweep.budget_fraction
    counted = arm.exaflops if machine.flops_convention == "reference" else arm.exaflops_6n
    seconds = runs * counted * EXA / (machine.flops_per_second or 1.0)
    price = dollars(seconds, machine.dollars_per_hour)
    return replace(arm, sweep_exaflops=runs * arm.exaflops, sweep_seconds=seconds, sweep_dollars=price)


def _size(chosen: Selection, arms: list[Arm], pool: PlannedPool) -> int:
    """Examples of a selection: its fraction's, or as many as its selector brings; of a control, those of its arm."""
    sized = next((other.selection for other in arms if other.selection.name == chosen.of), chosen)
    if sized.fraction is not None:
        return selected_size(sized.fraction, len(pool.lengths))
    rows = registry.find_selector(sized.selector).num_rows(registry.check(sized.selector, dict(sized.options)))
    return rows or len(pool.lengths)


def _planned(arm: Arm, arms: list[Arm], training: Training, pool: PlannedPool, machine: MachineRecipe) -> PlannedArm:
    recipe, costs, chosen = arm.recipe, training.costs, arm.selection
    examples = _size(chosen, arms, pool)
    fraction = examples / len(pool.lengths) if chosen.fraction is None else chosen.fraction
    selection = _selection_flops(chosen, recipe, costs, pool, examples)
    published = recipe.published.get(arm.name)
    shown = published.model_dump(exclude_none=True) if published else None
    plain = PlannedArm(
        name=arm.name, fraction=fraction, epochs=0, examples=examples, visits=0, visits_per_example=0, steps=0,
        tokens=0, exaflops=0, exaflops_6n=0, selection_exaflops=selection / EXA, seconds=0, dollars=0,
        published=shown, global_batch_size=batch_size(recipe, recipe.training),
        learning_rate=recipe.training.learning_rate, factors=arm.factors,
    )  # fmt: skip
    if recipe.training.method == "none":
        return replace(plain, learning_rate=0.0, seconds=machine.fixed_seconds)
    try:
        allowed = allowance(
            recipe.budget, pool_examples=len(pool.lengths), flops_per_second=machine.flops_per_second,
            dollars_per_hour=machine.dollars_per_hour,
            spent_flops=selection if recipe.budget.unit in CHARGES_SELECTION else 0.0,
        )  # fmt: skip
        proxies = proxy_share(recipe)
        if proxies and allowed.unit == "flops":
            allowed = left_by(allowed, proxies)
    except BudgetError as error:
        return replace(plain, note=str(error))
    shares = planned_shares(recipe, pool)
    mean_tokens = pool.mean_over_visits(pool.lengths.astype(np.float64), shares)
    mean_flops = pool.mean_over_visits(costs.train(pool.lengths), shares)
    visits = _visits(allowed, mean_tokens, mean_flops)
    if recipe.is_text and visits >= plain.global_batch_size:
        visits -= visits % plain.global_batch_size  # whole steps alone, as `plan_rows` has it
    tokens, flops = visits * mean_tokens, visits * mean_flops
    if proxies:
        selection = proxies * flops / (1 - proxies if allowed.unit == "flops" else 1)
        plain = replace(plain, selection_exaflops=selection / EXA)
    papers = flops_6n(
        costs.parameters - (costs.trainable_parameters if recipe.training.method == "lora" else 0), tokens
    )
    counted = flops if machine.flops_convention == "reference" else papers
    seconds = (counted + selection) / (machine.flops_per_second or 1.0) + machine.fixed_seconds
    steps = steps_for(visits, plain.global_batch_size)
    return replace(
        plain, epochs=visits / examples, visits=visits, visits_per_example=visits / examples, steps=steps,
        warmup_steps=warmup_steps(recipe.training, steps), tokens=int(tokens), exaflops=flops / EXA,
        exaflops_6n=papers / EXA, train_seconds=counted / (machine.flops_per_second or 1.0), seconds=seconds,
        dollars=dollars(seconds, machine.dollars_per_hour),
        trainable_parameters=costs.trainable_parameters, memory_bytes=training.peak.total_bytes,
    )  # fmt: skip


def planned_shares(recipe: Recipe, pool: PlannedPool) -> dict[str, float] | None:
    """Shares of the tokens of a run on the whole pool of examples; None where all rows are visited alike."""
    if recipe.is_text or recipe.mixture == NATURAL:
        return None
    budget = recipe.budget.tokens or int(pool.lengths.sum())
    schedule = resolved(recipe.mixture, pool.sources, tokens=budget).schedule
    return time_averages(schedule, [source.name for source in pool.sources])


def _visits(allowed: Allowance, mean_tokens: float, mean_flops: float) -> int:
    return int(allowed.amount / {"visits": 1.0, "tokens": mean_tokens, "flops": mean_flops}[allowed.unit] + 1e-9)


def _selection_flops(chosen: Selection, recipe: Recipe, costs: FlopModel, pool: PlannedPool, examples: int) -> float:
    """What the representations and the selector take, as far as the base model's size tells."""
    names = dict.fromkeys(name for name in (chosen.representation, chosen.score) if name)
    asked = [representation_of(recipe, name) for name in names]
    passes = sum(_passes(each, costs, pool.lengths) for each in asked)
    width = next((_width(each, chosen) for each in asked if GIVES[each.kind] == "vectors"), 0)
    target = recipe.pool.target
    if registry.traits()[chosen.selector].is_control:
        return passes
    return passes + registry.find_selector(chosen.selector).flops(
        options=registry.check(chosen.selector, dict(chosen.options)), pool_examples=len(pool.lengths), width=width,
        size=examples, target_examples=sum((target.per_source or {}).values()) if target and chosen.target else 0,
    )  # fmt: skip


def _passes(asked: RepresentationRecipe, costs: FlopModel, lengths: NDArray[np.int64]) -> float:
    """Forward passes over the pool; a gradient is counted as a training step of the arms, a proxy as the base model."""
    if isinstance(asked, GradientsRecipe):
        return float(costs.train(lengths).sum())
    return float(costs.forward(lengths).sum()) * {"hidden_states": 1, "loss": 1, "embeddings": 1, "ifd": 2}.get(
        asked.kind, 0
    )


def _width(asked: RepresentationRecipe, chosen: Selection) -> int:
    """Numbers per example that the selector works with."""
    fourier = getattr(asked, "fourier", None)
    if "features" in chosen.needs and fourier is not None:
        return int(fourier.features)
    return int(getattr(asked, "dimensions", None) or getattr(asked, "projection", None) or 0)
