"""From a study folder's records to everything a report prints: `find("runs/quickstart")`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from winnow.analysis import cost_tables, measured_tables, tables
from winnow.analysis.arms import arm_facts, baseline_name, savings_baseline
from winnow.analysis.benchmarks import benchmark_tables, forgetting_sentence
from winnow.analysis.benchmarks_reference import reference_table
from winnow.analysis.clean_items import evaluation_clean
from winnow.analysis.contamination import contamination_tables
from winnow.analysis.cost import AXES, flops_unit_of
from winnow.analysis.crossover import crossover_tables
from winnow.analysis.delayed_gain import delayed_gains
from winnow.analysis.effects import effects
from winnow.analysis.equal_compute import equal_flops
from winnow.analysis.factors import factors_of, with_factors
from winnow.analysis.frontier import level_words
from winnow.analysis.grid import grid
from winnow.analysis.learning_forgetting import equal_learning_sentence, learning_tables
from winnow.analysis.levels import own_metrics
from winnow.analysis.limitations import limitations
from winnow.analysis.mixtures import mixture_tables
from winnow.analysis.pareto import pareto
from winnow.analysis.predicted import predicted_table
from winnow.analysis.quality_tables import cost_to_quality_table
from winnow.analysis.sampled import sampled_tables
from winnow.analysis.scores import Score
from winnow.analysis.spectra import spectra_tables
from winnow.analysis.study_folder import Study, load
from winnow.analysis.study_records import Evaluation
from winnow.analysis.sweeps import sweep_table
from winnow.analysis.text_limitations import text_limitations
from winnow.analysis.verdict import judge
from winnow.findings import Curve, DataSource, Findings
from winnow.recipe import Recipe, SourceRecipe


def find(folder: str | Path) -> Findings:
    """All findings of a study folder. Raises ArtifactError naming what is missing or damaged."""
    return findings_of(load(folder))


def findings_of(study: Study) -> Findings:
    """All findings of a study. Raises ArtifactError where its recipe asks for what its records do not have."""
    arms, baseline, verdict, gains = arm_facts(study), savings_baseline(study), judge(study), delayed_gains(study)
    clean, factors = evaluation_clean(study, arms), factors_of(study, arms)
    beside = reference_table(study, arms)
    made = (
        *mixture_tables(study, arms, baseline_name(study)),
        cost_tables.savings(study, arms, baseline),
        tables.comparisons(verdict.ranking),
        tables.evaluation(study, arms),
        *measured_tables.measured_tables(study, arms),
        *([] if clean is None else [clean]),
        cost_tables.iso_compute(study, arms, baseline),
        equal_flops(study, arms, baseline),
        *(cost_to_quality_table(study, arms, baseline, axis=axis) for axis in AXES),
        *crossover_tables(study, arms),
        sweep_table(study),
        tables.delayed_gain(gains),
        tables.composition(study, arms),
        tables.planted(study, arms),
        tables.adapters(study, arms),
        cost_tables.ledger_arms(study, arms),
        cost_tables.ledger_stages(study),
        predicted_table(study, arms),
        *contamination_tables(study),
        *benchmark_tables(study, arms),
        *([] if beside is None else [beside]),
        *learning_tables(study, arms),
        *spectra_tables(study, arms),
        *sampled_tables(study, arms),
        *([make(study, arms, factors) for make in (effects, grid, pareto)] if factors else []),
    )
    unit = flops_unit_of(study)
    named = {table.name: replace(with_factors(table, arms, factors), flops_unit=unit) for table in made}
    forgot = forgetting_sentence(named["forgetting"], verdict.primary.arm) if "forgetting" in named else None
    equal = equal_learning_sentence(named.get("equal_learning"), verdict.primary.arm)
    return Findings(
        recipe=study.recipe,
        settings=study.settings,
        arms=arms,
        baseline=baseline,
        verdict=replace(verdict, notes=(*verdict.notes, *(note for note in (forgot, equal) if note))),
        tables=named,
        curves=tuple(curve_of(run.arm, run.seed, run.best.step, run.evaluations) for run in study.runs.values()),
        delayed_gains=gains,
        limitations=(*limitations(study, arms, gains), *text_limitations(study, arms, beside)),
        sources=data_sources(study.recipe),
        metrics=own_metrics(study),
        factors=factors,
        flops_unit=unit,
        level_words=level_words(study, baseline),
    )


def curve_of(arm: str, seed: int, best_step: int, rows: Sequence[Evaluation]) -> Curve:
    """A run's evaluations on the way, column by column."""
    sets = rows[0].sets
    return Curve(
        arm=arm,
        seed=seed,
        best_step=best_step,
        steps=tuple(row.step for row in rows),
        tokens=tuple(row.tokens for row in rows),
        flops=tuple(row.flops for row in rows),
        seconds=tuple(row.seconds for row in rows),
        validation_loss=tuple(row.validation.loss for row in rows),
        loss=tuple(row.micro.loss for row in rows),
        exact_match=tuple(row.micro.exact_match for row in rows),
        set_loss={name: tuple(row.sets[name].loss for row in rows) for name in sets},
        set_exact_match={name: tuple(row.sets[name].exact_match for row in rows) for name in sets},
        measured=_measured(rows),
        target_validation_loss=tuple(row.target_validation.loss for row in rows if row.target_validation),
    )


def _measured(rows: Sequence[Evaluation]) -> dict[str, dict[str, tuple[float | None, ...]]]:
    """The metrics beside loss and exact match, over all items and by set."""
    scores = [{"micro": row.micro, **row.sets} for row in rows]

    def series(place: str, metric: str) -> tuple[float | None, ...]:
        return tuple(each.get(place, Score(0.0)).measured.get(metric) for each in scores)

    metrics = dict.fromkeys(name for row in rows for name in row.micro.measured)
    return {metric: {place: series(place, metric) for place in scores[0]} for metric in metrics}


def data_sources(recipe: Recipe) -> tuple[DataSource, ...]:
    """All origins of data and their licences."""
    target = recipe.pool.target.source if recipe.pool.target else None
    planted = recipe.pool.plant.off_topic_source if recipe.pool.plant else None
    pretraining = recipe.base.pretrain.sources if recipe.base.pretrain else ()
    return (
        *(DataSource(each.name, "training pool", each.licence, _origin(each)) for each in recipe.pool.sources),
        *(DataSource(each.name, "target sample", each.licence, _origin(each)) for each in ([target] if target else [])),
        *(
            DataSource(each.name, "planted noise", each.licence, _origin(each))
            for each in ([planted] if planted else [])
        ),
        *(DataSource(each.name, "pretraining", each.licence, _origin(each)) for each in pretraining),
        *(
            DataSource(each.name, "evaluation", each.licence, _origin(each))
            for each in (*recipe.evaluation.sets, *(recipe.evaluation.text or ()))
        ),
    )


def _origin(source: SourceRecipe) -> str:
    if source.path is None:
        return "built-in generator"
    return source.path if isinstance(source.path, str) else ", ".join(source.path)
