"""A recipe as a graph of stages.

The plain sections give the usual graph: sources -> tests, pool -> features -> selections -> runs -> evaluations;
`study.sweep` puts trials between selections and runs.
In a study of plain text: sources -> tests, documents -> tokens -> mixtures -> runs -> evaluations; nothing is selected.
`base.pretrain` and `stages:` are training stages like any other; an arm starts from whichever it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from winnow.errors import RecipeError
from winnow.recipe import Recipe
from winnow.records import Stage, Traits
from winnow.study.arms import Arm, build_arms
from winnow.study.branches import trunks_of
from winnow.study.data_stages import data_stages, pool_stages, synthetic_stages
from winnow.study.evaluation_stages import (
    OWN_SAMPLES,
    benchmark_stages,
    divergence_stages,
    evaluation_stage,
    own_samples_stages,
    sample_stages,
    spectra_stages,
)
from winnow.study.selection_stages import representation_stages, selection_stage, selection_stages
from winnow.study.selections import Selection
from winnow.study.sweeps import check_sweep, sweep_stages, swept_arms
from winnow.study.text_stages import mixture_stages, text_stages
from winnow.study.training_stages import base_stages, check_starts, first_run, own_stages, run_stage, start_for_all


@dataclass(frozen=True)
class Graph:
    """All stages of a study in an order in which each follows its inputs."""

    stages: dict[str, Stage]
    arms: list[Arm]
    seeds: tuple[int, ...]

    @property
    def selections(self) -> list[Selection]:
        """What the arms train on, each once."""
        return list({arm.selection.name: arm.selection for arm in self.arms}.values())


def expand(recipe: Recipe, traits: Mapping[str, Traits]) -> Graph:
    """The stages of a whole study. Raises RecipeError where the recipe contradicts itself."""
    arms = build_arms(recipe, traits)
    selections = Graph({}, arms, ()).selections
    stages = [*data_stages(recipe), *base_stages(recipe), *synthetic_stages(recipe)]
    stages += [*(text_stages(recipe) if recipe.is_text else pool_stages(recipe)), *own_stages(recipe)]
    check_starts(recipe, arms)
    check_sweep(recipe, arms)
    if recipe.is_text:
        stages += mixture_stages(recipe, arms, {arm.name: first_run(arm) for arm in arms})
    else:
        stages += representation_stages(recipe, selections)
        stages += selection_stages(recipe, selections, traits)
    start = start_for_all(recipe)
    stages.append(evaluation_stage(recipe, "evaluate.zero_shot", start, ("last",)))
    stages += benchmark_stages(recipe, "zero_shot", start, "last")
    stages += own_samples_stages(recipe, start)
    stages += sample_stages(recipe, "zero_shot", start, "last")
    trunks = trunks_of(recipe, arms)

    def run(arm: Arm, seed: int) -> Stage:
        return run_stage(recipe, arm, arms, trunks, seed, selection_stage(recipe, arm.selection, seed, traits))

    if recipe.study.sweep is not None:
        for arm in swept_arms(recipe, arms):
            stages += sweep_stages(recipe, arm, run(arm, recipe.study.sweep.seed))
    for seed in recipe.study.seeds:
        for arm in sorted(arms, key=lambda each: each.name in trunks):  # a run stands before its branches
            stages += _with_measures(recipe, run(arm, seed))
    return Graph(_by_name(stages), arms, recipe.study.seeds)


def _with_measures(recipe: Recipe, run: Stage) -> list[Stage]:
    """A run and what measures it."""
    name, checkpoint = f"{run.arm}.s{run.seed}", recipe.study.primary.checkpoint
    if recipe.evaluation.own_samples is not None:
        run = replace(run, beside={"own_samples": OWN_SAMPLES})
    return [
        run,
        evaluation_stage(recipe, f"evaluate.{name}", run.name, ("best", "last"), run.arm, run.seed),
        *benchmark_stages(recipe, name, run.name, checkpoint, run.arm, run.seed),
        *divergence_stages(recipe, run),
        *spectra_stages(recipe, run),
        *sample_stages(recipe, name, run.name, checkpoint, run.arm, run.seed),
    ]


def _by_name(stages: list[Stage]) -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for stage in stages:
        if stage.name in found:
            raise RecipeError(f"two stages are named {stage.name!r}; give the one in `stages:` another name")
        found[stage.name] = stage
    return found
