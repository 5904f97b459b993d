"""Stages that measure: the evaluation sets, and the benchmarks of the field."""

from typing import Literal

from winnow.parts import BenchmarkPart, EvaluatePart, TrainPart
from winnow.recipe import Recipe
from winnow.recipe.measuring import DivergencePart, SamplePart, SourceSamplesPart, SpectraPart
from winnow.records import Stage
from winnow.study.data_stages import tokenizer_stage
from winnow.study.text_stages import tokens_inputs


def evaluation_stage(
    recipe: Recipe,
    name: str,
    run: str,
    checkpoints: tuple[Literal["best", "last"], ...],
    arm: str | None = None,
    seed: int | None = None,
) -> Stage:
    """The stage that scores these checkpoints of what `run` leaves on the whole evaluation sets."""
    part = EvaluatePart(
        checkpoints=checkpoints, max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size, threads=recipe.training.threads,
        measures=recipe.evaluation.asked_beyond,
        context_tokens=None if recipe.pool.text is None else recipe.pool.text.context_tokens,
    )  # fmt: skip
    inputs = {"run": run, "tests": "tests", "tokenizer": tokenizer_stage(recipe)} | tokens_inputs(recipe)
    return Stage(name, "evaluate", part, inputs, arm, seed)


def benchmark_stages(
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
    inputs = {"run": run, "tokenizer": tokenizer_stage(recipe)}
    found: list[Stage] = []
    for task in asked.tasks:
        part = BenchmarkPart(
            task=task, checkpoint=checkpoint, num_fewshot=asked.num_fewshot.get(task), limit=asked.limit,
            data_dir=asked.data_dir, threads=recipe.training.threads,
        )  # fmt: skip
        found.append(Stage(f"benchmark.{task}.{name}", "benchmark", part, inputs, arm, seed))
    return found


OWN_SAMPLES = "own_samples"


def own_samples_stages(recipe: Recipe, start: str) -> list[Stage]:
    """What the model that runs start from writes by itself, where the recipe asks for it."""
    if recipe.evaluation.own_samples is None:
        return []
    part = SourceSamplesPart(
        samples=recipe.evaluation.own_samples, batch_size=recipe.evaluation.batch_size, threads=recipe.training.threads
    )
    inputs = {"model": start, "tokenizer": tokenizer_stage(recipe)}
    return [Stage(OWN_SAMPLES, "source_samples", part, inputs)]


def divergence_stages(recipe: Recipe, run: Stage) -> list[Stage]:
    """How far a run has moved on those texts; of its own, so that runs are not evaluated anew where it is added."""
    if recipe.evaluation.own_samples is None:
        return []
    part = DivergencePart(checkpoints=("best", "last"), threads=recipe.training.threads)
    inputs = {"run": run.name, "samples": OWN_SAMPLES}
    return [Stage(f"divergence.{run.arm}.s{run.seed}", "divergence", part, inputs, run.arm, run.seed)]


def spectra_stages(recipe: Recipe, run: Stage) -> list[Stage]:
    """What a run changed in the weights that it started from."""
    if recipe.evaluation.spectra is None:
        return []
    assert isinstance(run.part, TrainPart)
    part = SpectraPart(
        spectra=recipe.evaluation.spectra, checkpoint=recipe.study.primary.checkpoint,
        quantise=run.part.training.quantise, threads=recipe.training.threads,
    )  # fmt: skip
    inputs = {"run": run.name, "start": run.inputs["start"]}
    return [Stage(f"spectra.{run.arm}.s{run.seed}", "spectra", part, inputs, run.arm, run.seed)]


def sample_stages(
    recipe: Recipe, name: str, run: str, checkpoint: Literal["best", "last"], arm: str | None = None,
    seed: int | None = None,
) -> list[Stage]:  # fmt: skip
    """Several answers to each prompt, where the recipe asks for them."""
    asked = recipe.evaluation.sampling
    if asked is None:
        return []
    part = SamplePart(
        checkpoint=checkpoint, num_samples=asked.num_samples, temperature=asked.temperature, sets=asked.sets,
        limit=asked.limit, seed=asked.seed, max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size, threads=recipe.training.threads,
    )  # fmt: skip
    inputs = {"run": run, "tests": "tests", "tokenizer": tokenizer_stage(recipe)}
    return [Stage(f"sample.{name}", "sample", part, inputs, arm, seed)]
