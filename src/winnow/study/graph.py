"""A recipe as a graph of stages.

The plain sections give the usual graph: sources -> tests, pool -> features -> selections -> runs -> evaluations;
`study.sweep` puts trials between selections and runs.
`base.pretrain` and `stages:` are training stages like any other; an arm starts from whichever it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from winnow.budget import CHARGES_SELECTION
from winnow.errors import RecipeError, nearest
from winnow.parts import (
    BenchmarkPart,
    CooldownPart,
    CorpusPart,
    EvaluatePart,
    GeneratePart,
    HygienePart,
    ModelPart,
    PoolPart,
    RepresentPart,
    SelectPart,
    TestsPart,
    TokenizerPart,
    TrainPart,
)
from winnow.recipe import (
    GIVES,
    BudgetRecipe,
    FourierRecipe,
    GradientsRecipe,
    LocalTeacherRecipe,
    PretrainRecipe,
    Recipe,
    SourceRecipe,
    StageRecipe,
    TrainingRecipe,
)
from winnow.records import Stage, Traits, inner_of
from winnow.study.arms import Arm, build_arms, global_batch_size, representation_of
from winnow.study.sweeps import sweep_stage, sweep_stages, swept_arms
from winnow.text.chat_templates import read_template


@dataclass(frozen=True)
class Graph:
    """All stages of a study in an order in which each follows its inputs."""

    stages: dict[str, Stage]
    arms: list[Arm]
    seeds: tuple[int, ...]


def expand(recipe: Recipe, traits: Mapping[str, Traits]) -> Graph:
    """The stages of a whole study. Raises RecipeError where the recipe contradicts itself."""
    arms = build_arms(recipe, traits)
    stages = [*_data_stages(recipe), *_base_stages(recipe), *_synthetic_stages(recipe)]
    stages += [*_pool_stages(recipe), *_own_stages(recipe)]
    stages += _representation_stages(recipe, arms)
    stages += _selection_stages(recipe, arms, traits)
    stages.append(_evaluation_stage(recipe, "evaluate.zero_shot", recipe.training.start, ("last",)))
    stages += _benchmark_stages(recipe, "zero_shot", recipe.training.start, "last")
    if recipe.study.sweep is not None:
        for arm in swept_arms(recipe, arms):
            run = _run_stage(recipe, arm, recipe.study.sweep.seed, traits)
            stages += sweep_stages(recipe, recipe.study.sweep, run)
    for seed in recipe.study.seeds:
        for arm in arms:
            run = _run_stage(recipe, arm, seed, traits)
            name = f"evaluate.{arm.name}.s{seed}"
            stages += [run, _evaluation_stage(recipe, name, run.name, ("best", "last"), arm.name, seed)]
            checkpoint = recipe.study.primary.checkpoint
            stages += _benchmark_stages(recipe, f"{arm.name}.s{seed}", run.name, checkpoint, arm.name, seed)
    return Graph(_by_name(stages), arms, recipe.study.seeds)


def _by_name(stages: list[Stage]) -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for stage in stages:
        if stage.name in found:
            raise RecipeError(f"two stages are named {stage.name!r}; give the one in `stages:` another name")
        found[stage.name] = stage
    return found


def _all_sources(recipe: Recipe) -> list[SourceRecipe]:
    text = recipe.base.pretrain.sources if recipe.base.pretrain else ()
    own = recipe.pool.target.source if recipe.pool.target else None
    seeds = [source.synthetic.seeds for source in recipe.pool.sources if source.synthetic and source.synthetic.seeds]
    return [*recipe.evaluation.sets, *recipe.pool.sources, *text, *([own] if own else []), *seeds]


def _generated(sources: tuple[SourceRecipe, ...]) -> dict[str, str]:
    """Inputs of a stage that reads these sources: the ones that are generated."""
    made = [source for source in sources if source.problems or source.passages or source.synthetic]
    return {f"generated.{source.name}": f"generated.{source.name}" for source in made}


def _data_stages(recipe: Recipe) -> list[Stage]:
    sources = _all_sources(recipe)
    names = [source.name for source in sources if source.problems or source.passages or source.synthetic]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"two generated sources are named {name!r}; give each a name of its own")
    made = [
        Stage(f"generated.{source.name}", "generate", GeneratePart(source=source))
        for source in sources
        if source.problems or source.passages
    ]
    sets = recipe.evaluation.sets
    part = TestsPart(
        sets=sets, completion=recipe.pool.completion, chat_template=read_template(recipe.pool.chat_template)
    )
    return [*made, Stage("tests", "tests", part, _generated(sets))]


def _synthetic_stages(recipe: Recipe) -> list[Stage]:
    """A stage for each source of the pool that a teacher writes, after those of its questions and its model."""
    elsewhere = [source.name for source in _all_sources(recipe) if source.synthetic]
    for source in recipe.pool.sources:
        if source.synthetic:
            elsewhere.remove(source.name)
    if elsewhere:
        raise RecipeError(f"source {elsewhere[0]!r} is synthetic; that is possible for pool.sources alone")
    return [stage for source in recipe.pool.sources if source.synthetic for stage in _synthetic(recipe, source)]


def _synthetic(recipe: Recipe, source: SourceRecipe) -> list[Stage]:
    assert source.synthetic is not None
    seeds, teacher = source.synthetic.seeds, source.synthetic.teacher
    stages, inputs = [], {}
    if seeds is not None:
        inputs["seeds"] = f"seeds.{source.name}"
        stages.append(Stage(inputs["seeds"], "seeds", TestsPart(sets=(seeds,)), _generated((seeds,))))
    if isinstance(teacher, LocalTeacherRecipe):
        if teacher.model == "base":
            inputs |= {"teacher": "base", "tokenizer": _tokenizer(recipe)}
        else:
            name = f"teacher.{source.name}"
            inputs |= {"teacher": name, "tokenizer": name}
            stages.append(Stage(name, "model", ModelPart(model=teacher.model)))
    return [*stages, Stage(f"generated.{source.name}", "generate", GeneratePart(source=source), inputs)]


def _base_stages(recipe: Recipe) -> list[Stage]:
    base, pretrain = recipe.base, recipe.base.pretrain
    if pretrain is None:
        assert base.model is not None
        return [Stage("base", "model", ModelPart(model=base.model, revision=base.revision))]
    part = TokenizerPart(tokenizer=pretrain.tokenizer, context_tokens=pretrain.context_tokens)
    corpus = CorpusPart(sources=pretrain.sources)
    return [
        Stage("corpus", "corpus", corpus, {"tests": "tests"} | _generated(pretrain.sources)),
        Stage("tokenizer", "tokenizer", part, {"corpus": "corpus"}),
        Stage("base", "train", _pretraining(recipe, pretrain), {"data": "corpus", "tokenizer": "tokenizer"}),
    ]


def _pretraining(recipe: Recipe, pretrain: PretrainRecipe) -> TrainPart:
    return TrainPart(
        objective="pretraining",
        training=pretrain.training,
        global_batch_size=_batch(recipe, pretrain.training),
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


def _batch(recipe: Recipe, training: TrainingRecipe) -> int:
    return global_batch_size(recipe, training.per_device_batch_size, training.gradient_accumulation_steps)


def _tokenizer(recipe: Recipe) -> str:
    return "tokenizer" if recipe.base.pretrain else "base"


def _pool_stages(recipe: Recipe) -> list[Stage]:
    target, hygiene = recipe.pool.target, recipe.pool.hygiene
    own = (target.source,) if target and target.source else ()
    inputs = {"tests": "tests", "tokenizer": _tokenizer(recipe)} | _generated((*recipe.pool.sources, *own))
    pool = recipe.pool.model_copy(update={"chat_template": read_template(recipe.pool.chat_template)})
    if hygiene is None:
        return [Stage("pool", "pool", PoolPart(pool=pool), inputs)]
    sources, sets = recipe.pool.sources, recipe.evaluation.sets
    part = HygienePart(sources=sources, sets=sets, completion=pool.completion, similarity=hygiene.similarity)
    return [
        Stage("hygiene", "hygiene", part, _generated((*sources, *sets))),
        Stage("pool", "pool", PoolPart(pool=pool), inputs | {"hygiene": "hygiene"}),
    ]


def _own_stages(recipe: Recipe) -> list[Stage]:
    """The training stages that the recipe spells out, each after the one it starts from."""
    known = ["base"]
    stages: list[Stage] = []
    for own in recipe.stages:
        if own.cooldown_of is not None:
            stages.append(_branch(own, stages))
            known.append(own.name)
            continue
        if own.start not in known:
            before = f"{nearest(own.start, known)}; before it stand {', '.join(known)}"
            raise RecipeError(f"stage {own.name!r} starts from {own.start!r}{before}")
        part = TrainPart(
            objective="sft", training=own.training, global_batch_size=_batch(recipe, own.training),
            sources=own.sources, seed=own.seed, devices=recipe.machine.devices,
            keep_every_steps=own.keep_every_steps, keep_at=own.keep_at, **_spending(recipe, own.budget),
        )  # fmt: skip
        inputs = {"data": "pool", "start": own.start, "tokenizer": _tokenizer(recipe)}
        stages.append(Stage(own.name, "train", part, inputs))
        known.append(own.name)
    if recipe.training.start not in known:
        start = recipe.training.start
        raise RecipeError(f"training.start is {start!r}{nearest(start, known)}; known stages: {', '.join(known)}")
    return stages


def _branch(own: StageRecipe, stages: list[Stage]) -> Stage:
    """A stage that goes on from another one's kept state, as that one trains, and cools down."""
    trunks = {
        stage.name: stage for stage in stages if isinstance(stage.part, TrainPart) and stage.part.cooldown is None
    }
    trunk = trunks.get(own.cooldown_of or "")
    if trunk is None:
        known = ", ".join(trunks) or "none"
        raise RecipeError(
            f"stage {own.name!r} cools down {own.cooldown_of!r}{nearest(own.cooldown_of or '', trunks)}; "
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
    return Stage(own.name, "train", part, {**trunk.inputs, "trunk": trunk.name})


def _representation_stages(recipe: Recipe, arms: list[Arm]) -> list[Stage]:
    """A stage for each representation that an arm uses, once, after one that points at its model if it is another."""
    names = dict.fromkeys(name for arm in arms for name in (arm.representation, arm.score) if name)
    return [stage for name in names for stage in _representation(recipe, name)]


def _representation(recipe: Recipe, name: str) -> list[Stage]:
    asked = representation_of(recipe, name)
    lora = (asked.lora or recipe.training.lora) if isinstance(asked, GradientsRecipe) else None
    part = RepresentPart(representation=asked, lora=lora, threads=recipe.training.threads)
    proxy = getattr(asked, "model", None)
    if proxy is None:
        return [Stage(represent_stage(name), "represent", part, {"pool": "pool"})]
    own = {stage.name: stage for stage in recipe.stages}
    inputs, extra = {"pool": "pool", "model": proxy}, []
    if proxy != "base" and proxy not in own:
        inputs |= {"model": f"proxy.{name}", "tokenizer": f"proxy.{name}"}
        extra = [Stage(f"proxy.{name}", "model", ModelPart(model=proxy, is_encoder=asked.kind == "embeddings"))]
    return [*extra, Stage(represent_stage(name), "represent", part, inputs)]


def _ancestry(name: str, own: Mapping[str, StageRecipe]) -> list[str]:
    """The recipe's own stages that a checkpoint rests on, itself among them."""
    found: list[str] = []
    while name in own and name not in found:
        found.append(name)
        name = own[name].cooldown_of or own[name].start
    return found


def represent_stage(name: str) -> str:
    """Name of the stage that makes a representation."""
    return f"represent.{name}"


def audit_of(arms: list[Arm], recipe: Recipe) -> str | None:
    """The representation in which all selections of a study are compared with the pool; null where none has vectors."""
    used = [arm.representation for arm in arms if arm.representation]
    vectors = [name for name in used if GIVES[representation_of(recipe, name).kind] == "vectors"]
    return "hidden_states" if "hidden_states" in vectors else next(iter(vectors), None)


def _warm_ups(recipe: Recipe, arm: Arm) -> list[str]:
    """The recipe's own stages that are trained for what this arm's selector sees, and not for its run."""
    own = {stage.name: stage for stage in recipe.stages}
    asked = [representation_of(recipe, name) for name in (arm.representation, arm.score) if name]
    needed = dict.fromkeys(stage for each in asked for stage in _ancestry(getattr(each, "model", "base"), own))
    shared = _ancestry(recipe.training.start, own)
    return [stage for stage in needed if stage not in shared]


def _seen_by(recipe: Recipe, arm: Arm, audit: str | None) -> dict[str, str]:
    """Inputs of a selection: what it sees, what was trained for that, and what its summary alone sees."""
    inputs = {"pool": "pool"}
    if arm.representation:
        inputs["counts" if "counts" in arm.needs else "vectors"] = represent_stage(arm.representation)
    if arm.score:
        inputs["scores"] = represent_stage(arm.score)
    if audit and represent_stage(audit) != inputs.get("vectors"):
        inputs["audit"] = represent_stage(audit)
    return inputs | {f"warm_up.{stage}": stage for stage in _warm_ups(recipe, arm)}


def _selection_stages(recipe: Recipe, arms: list[Arm], traits: Mapping[str, Traits]) -> list[Stage]:
    stages: dict[str, Stage] = {}
    audit = audit_of(arms, recipe)
    for seed in recipe.study.seeds:
        for arm in arms:
            name = selection_stage(recipe, arm, seed, traits)
            inputs = _seen_by(recipe, arm, audit)
            if arm.of is not None:
                reference = next(other for other in arms if other.name == arm.of)
                inputs["reference"] = selection_stage(recipe, reference, seed, traits)
            part = SelectPart(
                selector=arm.selector, options=dict(arm.options), fraction=arm.fraction, target=arm.target,
                sized_by=recipe.selection.sized_by, fourier=_fourier(recipe, arm),
                resample=_resample(recipe, arm), seed=seed if _is_random(recipe, arm, traits) else None,
            )  # fmt: skip
            stages.setdefault(name, Stage(name, "select", part, inputs, arm.name, part.seed))
    return list(stages.values())


def _fourier(recipe: Recipe, arm: Arm) -> FourierRecipe | None:
    if "features" not in arm.needs or arm.representation is None:
        return None
    found: FourierRecipe | None = getattr(representation_of(recipe, arm.representation), "fourier", None)
    return found


def _resample(recipe: Recipe, arm: Arm) -> float:
    return 1.0 if arm.fraction is None else recipe.study.resample_pool


def _is_random(recipe: Recipe, arm: Arm, traits: Mapping[str, Traits]) -> bool:
    inner = inner_of(traits[arm.selector], arm.options, traits)
    return traits[arm.selector].is_random or inner.is_random or arm.of is not None or _resample(recipe, arm) < 1


def selection_stage(recipe: Recipe, arm: Arm, seed: int, traits: Mapping[str, Traits]) -> str:
    """Name of the stage that selects for this arm and seed."""
    return f"select.{arm.name}.s{seed}" if _is_random(recipe, arm, traits) else f"select.{arm.name}"


def _run_stage(recipe: Recipe, arm: Arm, seed: int, traits: Mapping[str, Traits]) -> Stage:
    part = TrainPart(
        objective="sft", training=recipe.training, global_batch_size=_batch(recipe, recipe.training),
        every_steps=recipe.evaluation.every_steps, best_by=recipe.evaluation.best_by, seed=seed,
        devices=recipe.machine.devices, **_spending(recipe, recipe.budget),
    )  # fmt: skip
    inputs = {
        "data": "pool",
        "selection": selection_stage(recipe, arm, seed, traits),
        "start": recipe.training.start,
        "tokenizer": _tokenizer(recipe),
    }
    if recipe.evaluation.best_by == "test":
        inputs["tests"] = "tests"
    sweep = sweep_stage(recipe, arm.name)
    if sweep is not None:
        inputs["sweep"] = sweep
    return Stage(f"train.{arm.name}.s{seed}", "train", part, inputs, arm.name, seed)


def _evaluation_stage(
    recipe: Recipe,
    name: str,
    run: str,
    checkpoints: tuple[Literal["best", "last"], ...],
    arm: str | None = None,
    seed: int | None = None,
) -> Stage:
    part = EvaluatePart(
        checkpoints=checkpoints, max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size, threads=recipe.training.threads,
        measures=recipe.evaluation.asked_beyond,
    )  # fmt: skip
    return Stage(name, "evaluate", part, {"run": run, "tests": "tests", "tokenizer": _tokenizer(recipe)}, arm, seed)


def _benchmark_stages(
    recipe: Recipe,
    name: str,
    run: str,
    checkpoint: Literal["best", "last"],
    arm: str | None = None,
    seed: int | None = None,
) -> list[Stage]:
    """A stage for each benchmark, so that one that is added leaves the others as they are."""
    asked = recipe.evaluation.benchmarks
    if asked is None:
        return []
    inputs = {"run": run, "tokenizer": _tokenizer(recipe)}
    found: list[Stage] = []
    for task in asked.tasks:
        part = BenchmarkPart(
            task=task, checkpoint=checkpoint, num_fewshot=asked.num_fewshot.get(task), limit=asked.limit,
            data_dir=asked.data_dir, threads=recipe.training.threads,
        )  # fmt: skip
        found.append(Stage(f"benchmark.{task}.{name}", "benchmark", part, inputs, arm, seed))
    return found
