"""Stages of a study that pretrains on plain text: documents, their tokens, and what of them each arm's runs read.

tests -> documents.<source> -> tokenizer -> tokens.<source> -> pool, mixture.<arm> -> train.<arm>.s<seed>
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from winnow.budget import CHARGES_SELECTION
from winnow.mixing.asked import mixer_options, proxies_of
from winnow.mixing.learned import Proxy
from winnow.parts import (
    DocumentsPart,
    MixturePart,
    ProxyPart,
    ReadingPart,
    RowCostPart,
    TextPoolPart,
    TokenizerPart,
    TokensPart,
    TrainPart,
    UntrainedPart,
)
from winnow.recipe import MixtureRecipe, Recipe, SourceRecipe
from winnow.records import Stage
from winnow.study.arms import Arm
from winnow.study.data_stages import generated_inputs, tokenizer_stage


def text_stages(recipe: Recipe) -> list[Stage]:
    """Documents and tokens of every source, and the pool that they are together.

    The tokenizer of a model from scratch stands between them; that of another base is there before.
    """
    text, sources = recipe.pool.text, recipe.pool.sources
    assert text is not None
    documents = [_documents(recipe, source, f"documents.{source.name}") for source in sources]
    tokens = [_tokens(recipe, source) for source in sources]
    part = TextPoolPart(sources=sources, context_tokens=text.context_tokens)
    inputs = {stage.name: stage.name for stage in (*documents, *tokens)}
    return [*documents, *_from_scratch(recipe), *tokens, Stage("pool", "text_pool", part, inputs)]


def _documents(recipe: Recipe, source: SourceRecipe, name: str) -> Stage:
    part = DocumentsPart(source=source.model_copy(update={"limit_tokens": None}), seed=recipe.pool.seed)
    inputs = {"tests": "tests"} | generated_inputs((source,))
    return Stage(name, "documents", part, inputs)


def _from_scratch(recipe: Recipe) -> list[Stage]:
    """The tokenizer, and the model before any training: what scores say where nothing was learned."""
    scratch, text = recipe.base.from_scratch, recipe.pool.text
    if scratch is None or text is None:
        return []
    part = TokenizerPart(
        tokenizer=scratch.tokenizer, context_tokens=text.context_tokens, validation_tokens=text.validation_tokens
    )
    documents = {f"documents.{source.name}": f"documents.{source.name}" for source in recipe.pool.sources}
    untrained = UntrainedPart(architecture=scratch.sized(text.context_tokens), seed=recipe.study.seeds[0])
    return [
        Stage("tokenizer", "tokenizer", part, documents),
        Stage("base", "untrained", untrained, {"tokenizer": "tokenizer"}),
    ]


def _tokens(recipe: Recipe, source: SourceRecipe) -> Stage:
    assert recipe.pool.text is not None
    part = TokensPart(validation_tokens=recipe.pool.text.validation_tokens, limit_tokens=source.limit_tokens)
    inputs = {"documents": f"documents.{source.name}", "tokenizer": tokenizer_stage(recipe)}
    return Stage(f"tokens.{source.name}", "tokens", part, inputs)


def tokens_inputs(recipe: Recipe) -> dict[str, str]:
    """Inputs of a stage that reads the tokens of all sources; none in a study of examples."""
    names = [f"tokens.{source.name}" for source in recipe.pool.sources] if recipe.is_text else []
    return {name: name for name in names}


@dataclass(frozen=True)
class ArmRun:
    """What is asked of a run, and the stage that it starts from; None for a model from scratch."""

    part: TrainPart
    start: str | None


def mixture_stages(recipe: Recipe, arms: list[Arm], runs: Mapping[str, ArmRun]) -> list[Stage]:
    """A stage for each arm, which says how much of what its runs read is of which source.

    Before it, where its shares are learned, proxies of its run (`runs`), and what each scores; none sees an evaluation
    set.
    """
    stages = list[Stage]()
    for arm in arms:
        stages += _target(arm)
        proxies = proxies_of(arm.recipe.mixture, [source.name for source in recipe.pool.sources])
        stages += [stage for proxy in proxies for stage in _proxy(recipe, arm, proxy, runs[arm.name])]
        inputs = {f"reading.{proxy.name}": f"reading.{arm.name}.{proxy.name}" for proxy in proxies}
        inputs |= tokens_inputs(recipe)
        if arm.recipe.budget.unit in CHARGES_SELECTION:
            stages.append(row_cost_stage(recipe, arm.name, runs[arm.name], arm.name))
            inputs["row_cost"] = stages[-1].name
        part = mixture_part(arm.recipe, runs[arm.name].part, arm.recipe.mixture)
        stages.append(Stage(f"mixture.{arm.name}", "mixture", part, inputs, arm.name))
    return stages


def row_cost_stage(recipe: Recipe, name: str, run: ArmRun, arm: str | None = None) -> Stage:
    """What a row of a run costs, from which a budget that is paid in FLOPs tells its tokens."""
    inputs = ({"start": run.start} if run.start else {}) | {"tokenizer": tokenizer_stage(recipe)}
    return Stage(f"row_cost.{name}", "row_cost", RowCostPart(run=run.part), inputs, arm)


def _target(arm: Arm) -> list[Stage]:
    """The text that an arm's shares are learned for, where the recipe names some beside what is held out.

    Without what stands in evaluation sets, as text that is trained on.
    """
    target = learning_target(arm.recipe)
    return [] if target is None else [_documents(arm.recipe, target, f"target.{arm.name}")]


def learning_target(recipe: Recipe) -> SourceRecipe | None:
    """The source in a mixer's option `target`; None where it has none. Raises RecipeError for wrong options."""
    found: SourceRecipe | None = getattr(mixer_options(recipe.mixture), "target", None)
    return found


def proxy_share(recipe: Recipe) -> float:
    """What training the proxies of an arm takes, over one of its runs."""
    names = [source.name for source in recipe.pool.sources]
    return sum(proxy.tokens_fraction for proxy in proxies_of(recipe.mixture, names)) if recipe.is_text else 0.0


def _proxy(recipe: Recipe, arm: Arm, proxy: Proxy, of: ArmRun) -> list[Stage]:
    """A proxy of an arm's run, and what it scores."""
    run = of.part
    assert run.context_tokens is not None
    fraction = proxy.tokens_fraction if proxy.match_repeats else 1.0
    plain = run.model_copy(update={"every_steps": None, "charge_selection": False, "source_fraction": fraction})
    part = ProxyPart(run=plain, shares=dict(proxy.shares), tokens_fraction=proxy.tokens_fraction)
    inputs = {role: name for role, name in run_inputs(recipe, arm.name, of.start).items() if role != "mixture"}
    trained = Stage(f"proxy.{arm.name}.{proxy.name}", "proxy", part, inputs, arm.name)
    reading = ReadingPart(context_tokens=run.context_tokens, threads=run.training.threads)
    seen = {"run": trained.name, "tokenizer": tokenizer_stage(recipe)} | tokens_inputs(recipe)
    seen |= {"target": f"target.{arm.name}"} if learning_target(arm.recipe) else {}
    return [trained, Stage(f"reading.{arm.name}.{proxy.name}", "reading", reading, seen, arm.name)]


def mixture_part(recipe: Recipe, run: TrainPart, mixture: MixtureRecipe) -> MixturePart:
    """What is asked of the stage that works out the shares of a run."""
    assert recipe.pool.text is not None
    return MixturePart(
        mixture=mixture, sources=tuple(source.name for source in recipe.pool.sources),
        budget=run.budget, context_tokens=recipe.pool.text.context_tokens,
        flops_per_second=run.flops_per_second, dollars_per_hour=run.dollars_per_hour,
    )  # fmt: skip


def run_inputs(recipe: Recipe, mixture: str, start: str | None) -> dict[str, str]:
    """Inputs of runs: tokens, the mixture of this name, and what they start from, unless they are from scratch."""
    began = {} if start is None else {"start": start}
    found = {"mixture": f"mixture.{mixture}", **began, "tokenizer": tokenizer_stage(recipe)}
    return found | tokens_inputs(recipe)


def text_start(recipe: Recipe, stage: str) -> str | None:
    """The stage that a run starts from, where the recipe says this one; None for a model from scratch."""
    return None if stage == "base" and recipe.base.from_scratch is not None else stage


def of_part(recipe: Recipe, start: str) -> dict[str, Any]:
    """The fields of a training part that only runs on plain text have."""
    text, scratch = recipe.pool.text, recipe.base.from_scratch
    if text is None:
        return {}
    architecture = None if scratch is None or start != "base" else scratch.sized(text.context_tokens)
    return {"architecture": architecture, "context_tokens": text.context_tokens}
