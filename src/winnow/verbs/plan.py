"""What a study would cost, without training: examples, visits, tokens, steps, FLOPs, seconds, dollars, memory.

    plan(recipe).arms[0].exaflops

Sizes come from the data themselves (read and tokenised into the store, which `winnow run` then finds there), or, where
a source is out of reach, from what the recipe declares; FLOPs come from the architecture alone.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.budget import CHARGES_SELECTION, Allowance, allowance, flops_6n, selected_size, steps_for
from winnow.errors import BudgetError, RecipeError
from winnow.ledger import dollars
from winnow.mistakes import doubts, lacking_here
from winnow.models import loading
from winnow.models.batch_sizes import start_tokens
from winnow.models.checking import check_models
from winnow.models.file_sizes import adapter_bytes
from winnow.models.flops import FlopModel, flop_model
from winnow.pipeline import checked, look_over, own_size, selection_flops, selector_traits, store_beside, study_folder
from winnow.recipe import GIVES, GradientsRecipe, MachineRecipe, Recipe, RepresentationRecipe, TrainingRecipe
from winnow.recipe.arguments import FolderPath, checks_arguments
from winnow.recipe.file import AnyRecipe, as_recipe
from winnow.store import Store
from winnow.study.arms import Arm, build_arms, global_batch_size, representation_of
from winnow.study.graph import Graph, expand
from winnow.study.identity import known_study
from winnow.study.sweeps import swept_arms
from winnow.text.printing import memory
from winnow.training.calibration import measure
from winnow.training.fitting import cut_shares, device_bytes, largest_micro_batch, per_device, ways_to_fit
from winnow.training.peak_memory import PeakMemory, predict
from winnow.training.requirements import missing_here
from winnow.walk import Watch, missing, walk_stages, wanted

SELECTION_SHARE = 0.2
"""Above this share of the budget, selection draws a warning."""


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


@dataclass(frozen=True)
class Plan:
    """A study as it would run."""

    parameters: int
    trainable_parameters: int
    adapter_bytes: int | None
    """Size of one adapter file; null when all weights are trained."""
    pool_examples: int
    pool_tokens: int
    is_declared: bool
    """Pool sizes are the recipe's word, not read from data."""
    global_batch_size: int
    seeds: int
    flops_per_second: float
    memory: PeakMemory
    """Of one run, on one device, at its worst moment; evaluation not counted."""
    memory_bytes: int
    """All of it."""
    device_bytes: int
    """What a device has."""
    arms: list[PlannedArm]
    warnings: list[str]


@dataclass(frozen=True)
class _Pool:
    lengths: NDArray[np.int64]
    is_declared: bool
    warnings: tuple[str, ...] = ()
    """What the pool lost, and the like."""
    targets_share: float = 1.0
    """Completion tokens over all tokens; of declared pools nothing is known."""


@checks_arguments(RecipeError)
def plan(recipe: AnyRecipe, *, out: FolderPath | None = None, store: FolderPath | None = None) -> Plan:
    """The plan of a recipe. Raises WinnowError in one line where data or model are out of reach and not declared."""
    recipe = as_recipe(recipe)
    recipe = checked(recipe, must_exist=not _is_declared(recipe))
    check_models(recipe)
    model = _skeleton(recipe, recipe.training)
    costs = flop_model(model)
    pool = _pool(recipe, out, store)
    machine = _machine(recipe, out, int(pool.lengths.mean()))
    built = build_arms(recipe, selector_traits())
    arms = [_planned(arm, _size(arm, built, pool), recipe, costs, pool, machine) for arm in built]
    if not any(arm.visits or arm.note for arm in arms):
        raise BudgetError(f"budget.{recipe.budget.unit} of {recipe.budget.amount:g} is less than one example; raise it")
    swept = {arm.name for arm in swept_arms(recipe, built)}
    arms = [_with_trials(arm, recipe, machine) if arm.name in swept else arm for arm in arms]
    peak, room = _peak(recipe, recipe.training, pool), device_bytes(recipe.machine)
    told = [
        *lacking_here(recipe),
        *doubts(recipe, longest=0 if pool.is_declared else int(pool.lengths.max())),
        _memory_warning(recipe, pool, peak, room),
    ]
    return Plan(
        parameters=costs.parameters,
        trainable_parameters=costs.trainable_parameters,
        adapter_bytes=adapter_bytes(model) if recipe.training.method == "lora" else None,
        pool_examples=len(pool.lengths),
        pool_tokens=int(pool.lengths.sum()),
        is_declared=pool.is_declared,
        global_batch_size=_batch(recipe),
        seeds=len(recipe.study.seeds),
        flops_per_second=machine.flops_per_second or 0.0,
        memory=peak,
        memory_bytes=peak.total_bytes,
        device_bytes=room,
        arms=arms,
        warnings=[*pool.warnings, *_warnings(arms)] + [warning for warning in told if warning is not None],
    )


def training_flops(recipe: Recipe, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reference FLOPs of training once on each example of these lengths."""
    return flop_model(_skeleton(recipe, recipe.training)).train(lengths)


def _skeleton(recipe: Recipe, training: TrainingRecipe) -> Any:
    model = loading.skeleton(loading.architecture_for(recipe.base))
    return loading.adapt(model, training.adapter, seed=0) if training.method == "lora" else model


def _batch(recipe: Recipe) -> int:
    training = recipe.training
    return global_batch_size(recipe, training.per_device_batch_size, training.gradient_accumulation_steps)


def _is_declared(recipe: Recipe) -> bool:
    """Whether the recipe tells the size of the pool itself, so that no data are read."""
    return all(source.examples is not None and source.tokens is not None for source in recipe.pool.sources)


def _pool(recipe: Recipe, out: str | Path | None, store: str | Path | None) -> _Pool:
    if _is_declared(recipe):
        sizes = [(source.examples or 0, source.tokens or 0) for source in recipe.pool.sources]
        return _Pool(np.concatenate([_declared_lengths(*each) for each in sizes]), True)
    graph, shelf = expand(recipe, selector_traits()), store_beside(recipe, out, store)
    _check_generated(recipe, graph, shelf)
    walk = walk_stages(graph, recipe, shelf, wanted(graph, until=("pool", "tests")), Watch())
    table = pq.read_table(walk.done["pool"].folder / "train.parquet", columns=["prompt_ids", "completion_ids"])
    prompts, completions = (
        np.array([len(ids) for ids in table[name]], dtype=np.int64) for name in ("prompt_ids", "completion_ids")
    )
    share = completions.sum() / (prompts + completions).sum()
    return _Pool(prompts + completions, False, look_over(recipe, walk.done), share)


def _check_generated(recipe: Recipe, graph: Graph, store: Store) -> None:
    """Raises RecipeError where a teacher that takes money or hours has not written its source yet."""
    costly = [each.name for each in recipe.pool.sources if each.synthetic and each.synthetic.teacher.kind != "built_in"]
    lacking = missing(graph, store) if costly else []
    for name in costly:
        if f"generated.{name}" in lacking:
            raise RecipeError(
                f"source {name!r} is not generated yet, which a plan does not do; run `winnow generate`, or declare "
                "the examples and tokens of every source"
            )


def _declared_lengths(examples: int, tokens: int) -> NDArray[np.int64]:
    """So many lengths with this sum, as equal as whole numbers can be."""
    short, extra = divmod(tokens, examples)
    return np.full(examples, short, dtype=np.int64) + (np.arange(examples) < extra)


def _machine(recipe: Recipe, out: str | Path | None, tokens: int) -> MachineRecipe:
    """The machine with a speed: declared, the study's own, or measured in a few seconds."""
    if recipe.machine.flops_per_second is not None:
        return recipe.machine
    known = known_study(study_folder(recipe, out)) or {}
    speed = known.get("machine", {}).get("flops_per_second")
    lacking = missing_here(recipe.training)
    if speed is None and lacking is not None:
        raise RecipeError(f"{lacking}; to plan it here declare machine.flops_per_second")
    speed = speed or measure(recipe)
    return recipe.machine.model_copy(update={"flops_per_second": speed})


def _size(arm: Arm, arms: list[Arm], pool: _Pool) -> int:
    """Examples of an arm: its fraction's, or as many as its selector brings; of a control, those of its arm."""
    sized = next((other for other in arms if other.name == arm.of), arm)
    if sized.fraction is not None:
        return selected_size(sized.fraction, len(pool.lengths))
    return own_size(sized.selector, dict(sized.options)) or len(pool.lengths)


def _with_trials(arm: PlannedArm, recipe: Recipe, machine: MachineRecipe) -> PlannedArm:
    """The arm with what its learning-rate sweep costs: so many trials, each a part of a run."""
    assert recipe.study.sweep is not None
    runs = len(recipe.study.sweep.learning_rate) * recipe.study.sweep.budget_fraction
    counted = arm.exaflops if machine.flops_convention == "reference" else arm.exaflops_6n
    seconds = runs * counted * 1e18 / (machine.flops_per_second or 1.0)
    price = dollars(seconds, machine.dollars_per_hour)
    return replace(arm, sweep_exaflops=runs * arm.exaflops, sweep_seconds=seconds, sweep_dollars=price)


def _planned(
    arm: Arm, examples: int, recipe: Recipe, costs: FlopModel, pool: _Pool, machine: MachineRecipe
) -> PlannedArm:
    fraction = examples / len(pool.lengths) if arm.fraction is None else arm.fraction
    selection = _selection_flops(arm, recipe, costs, pool, examples)
    published = recipe.published.get(arm.name)
    shown = published.model_dump(exclude_none=True) if published else None
    try:
        allowed = allowance(
            recipe.budget, pool_examples=len(pool.lengths), flops_per_second=machine.flops_per_second,
            dollars_per_hour=machine.dollars_per_hour,
            spent_flops=selection if recipe.budget.unit in CHARGES_SELECTION else 0.0,
        )  # fmt: skip
    except BudgetError as error:
        return PlannedArm(arm.name, fraction, 0, examples, 0, 0, 0, 0, 0, 0, selection / 1e18, 0, 0, str(error), shown)
    mean_tokens, mean_flops = float(pool.lengths.mean()), float(costs.train(pool.lengths).mean())
    visits = _visits(allowed, mean_tokens, mean_flops)
    tokens, flops = visits * mean_tokens, visits * mean_flops
    papers = flops_6n(
        costs.parameters - (costs.trainable_parameters if recipe.training.method == "lora" else 0), tokens
    )
    counted = flops if machine.flops_convention == "reference" else papers
    seconds = (counted + selection) / (machine.flops_per_second or 1.0) + machine.fixed_seconds
    return PlannedArm(
        name=arm.name, fraction=fraction, epochs=visits / examples, examples=examples, visits=visits,
        visits_per_example=visits / examples, steps=steps_for(visits, _batch(recipe)), tokens=int(tokens),
        exaflops=flops / 1e18, exaflops_6n=papers / 1e18, selection_exaflops=selection / 1e18,
        seconds=seconds, dollars=dollars(seconds, machine.dollars_per_hour), published=shown,
    )  # fmt: skip


def _visits(allowed: Allowance, mean_tokens: float, mean_flops: float) -> int:
    return int(allowed.amount / {"visits": 1.0, "tokens": mean_tokens, "flops": mean_flops}[allowed.unit] + 1e-9)


def _selection_flops(arm: Arm, recipe: Recipe, costs: FlopModel, pool: _Pool, examples: int) -> float:
    """What the arm's representations and its selector take, as far as the base model's size tells."""
    names = dict.fromkeys(name for name in (arm.representation, arm.score) if name)
    asked = [representation_of(recipe, name) for name in names]
    passes = sum(_passes(each, costs, pool.lengths) for each in asked)
    width = next((_width(each, arm) for each in asked if GIVES[each.kind] == "vectors"), 0)
    target = recipe.pool.target
    return passes + selection_flops(
        arm.selector, dict(arm.options), pool_examples=len(pool.lengths), width=width, size=examples,
        target_examples=sum((target.per_source or {}).values()) if target and arm.target else 0,
    )  # fmt: skip


def _passes(asked: RepresentationRecipe, costs: FlopModel, lengths: NDArray[np.int64]) -> float:
    """Forward passes over the pool; a gradient is counted as a training step of the arms, a proxy as the base model."""
    if isinstance(asked, GradientsRecipe):
        return float(costs.train(lengths).sum())
    return float(costs.forward(lengths).sum()) * {"hidden_states": 1, "loss": 1, "embeddings": 1, "ifd": 2}.get(
        asked.kind, 0
    )


def _width(asked: RepresentationRecipe, arm: Arm) -> int:
    """Numbers per example that the selector works with."""
    fourier = getattr(asked, "fourier", None)
    if "features" in arm.needs and fourier is not None:
        return int(fourier.features)
    return int(getattr(asked, "dimensions", None) or getattr(asked, "projection", None) or 0)


def _peak(recipe: Recipe, training: TrainingRecipe, pool: _Pool) -> PeakMemory:
    """Of one device at its worst moment; a device whose memory is declared is taken for an accelerator.

    A declared pool does not tell its longest row; the longest that it may have is taken.
    """
    lengths = np.full(len(pool.lengths), recipe.pool.max_tokens) if pool.is_declared else pool.lengths
    model, devices = _skeleton(recipe, training), recipe.machine.devices
    cut = cut_shares(model) if training.sharding == "full" and devices > 1 else None
    start = start_tokens(loading.best_device()) if recipe.machine.memory_bytes is None else None
    largest = largest_micro_batch(
        lengths, training, devices, seed=recipe.study.seeds[0],
        targets_share=pool.targets_share if training.loss_on == "completion" else 1.0,
        start_tokens=start,
    )  # fmt: skip
    peak = predict(model, training, largest)
    return per_device(peak, cut, devices, has_copy=start is not None) if cut else peak


def _memory_warning(recipe: Recipe, pool: _Pool, peak: PeakMemory, room: int) -> str | None:
    """What to do about a run that does not fit; None where it does."""
    if peak.total_bytes <= room:
        return None
    ways = ways_to_fit(lambda training: _peak(recipe, training, pool), recipe.training, room)
    advice = f"any of these would fit: {'; '.join(ways)}" if ways else "choose a smaller model"
    return (
        f"a run needs about {memory(peak.total_bytes)}, a device has {memory(room)}; {advice}; or lower pool.max_tokens"
    )


def _warnings(arms: list[PlannedArm]) -> list[str]:
    full = max(arm.visits for arm in arms) / max(arm.examples for arm in arms)
    found = []
    if full < 1:
        found.append(
            f"the pool is visited {full:.2f} times: fractions cannot differ where even the full pool is not seen once"
        )
    for arm in arms:
        if arm.visits and arm.visits_per_example < 1 and arm.fraction < 1:
            found.append(f"{arm.name} visits its examples {arm.visits_per_example:.2f} times: fewer than it selects")
        share = arm.selection_exaflops / max(arm.exaflops + arm.selection_exaflops, 1e-30)
        if share > SELECTION_SHARE:
            found.append(f"{arm.name} spends {share:.0%} of its compute on selection")
        if arm.note:
            found.append(f"{arm.name}: {arm.note}")
    return found
