"""Benchmarks of a study: scores beside what guessing gives, and what tuning made the model forget.

`records/benchmark.<task>.<run>.json` holds a run's scores, `records/items/benchmark.<task>.<run>.parquet` its items;
`benchmark.<task>.zero_shot` those of the model that all runs start from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.analysis.clean_items import clean_questions
from winnow.analysis.items import ItemScores, Parts, interval_of_one_run, interval_over_items
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import Study
from winnow.analysis.tables import with_bounds, within_unit
from winnow.columns import read_columns
from winnow.findings import ArmFacts, Estimate, Table
from winnow.metrics import Metric, metric_named
from winnow.records import ZERO_SHOT
from winnow.store import read_json
from winnow.text.printing import BOUNDS, fixed

Row = dict[str, Any]


@dataclass(frozen=True)
class BenchmarkItems:
    """Scores of a benchmark's items by one metric."""

    names: NDArray[np.str_]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    """1, or how many instructions an item has."""
    questions: NDArray[np.str_]
    """Hash of each item's question, by which a contamination report knows it."""

    def scores_in(self, task: str) -> ItemScores:
        """As items of one set, which has the task's name."""
        return ItemScores(np.full(len(self.names), task), self.names, self.scores * self.weights, self.weights)


@dataclass(frozen=True)
class Asked:
    """One benchmark of one model."""

    records: Path
    task: str
    run: str
    """As file names have it."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scores by metric."""
        found: dict[str, Any] = read_json(self.records / f"benchmark.{self.task}.{self.run}.json")
        return found

    def items(self, metric: str) -> BenchmarkItems:
        """What its items scored by this metric."""
        path = self.records / "items" / f"benchmark.{self.task}.{self.run}.parquet"
        columns = ["subset", "item", "id", "metric", "score", "weight"]
        rows = [row for row in read_columns(path, columns).to_pylist() if row["metric"] == metric]
        names = np.array([f"{row['subset']}:{row['item']}" for row in rows])
        scores, weights, questions = (np.array([row[key] for row in rows]) for key in ("score", "weight", "id"))
        return BenchmarkItems(names, scores, weights, questions)


def benchmark_tables(study: Study, arms: Sequence[ArmFacts]) -> tuple[Table, ...]:
    """`benchmarks`, `forgetting` and `benchmarks_left_out`; none where the recipe asks for no benchmarks."""
    if study.recipe.evaluation.benchmarks is None:
        return ()
    return _scores(study, arms), _forgetting(study, arms), _left_out(study, arms)


def asked_of(study: Study, arm: str, task: str) -> dict[int, Asked]:
    """The arm's finished runs of a benchmark, by seed; of the untrained model under seed 0."""
    records = study.folder / "records"
    checkpoint = study.recipe.study.primary.checkpoint
    if arm == ZERO_SHOT:
        runs = {0: ZERO_SHOT}
    else:
        runs = {seed: f"{arm}{study.suffix(seed)}_{checkpoint}" for seed in sorted(study.runs_of(arm))}
    stages = {_stage(task, arm, seed) for seed in runs}
    asked = {seed: Asked(records, task, run) for seed, run in runs.items()}
    return asked if stages <= set(study.stages) else {}


def _stage(task: str, arm: str, seed: int) -> str:
    """Name of the stage that asks a benchmark of a run, or of the untrained model."""
    return f"benchmark.{task}.{ZERO_SHOT}" if arm == ZERO_SHOT else f"benchmark.{task}.{arm}.s{seed}"


def _scores(study: Study, arms: Sequence[ArmFacts]) -> Table:
    rows = [row for arm in (ZERO_SHOT, *(arm.name for arm in arms)) for row in _scores_of(study, arm)]
    note = (
        "In the unit beside the score: mean over seeds with its interval (a share's is cut to 0 to 100 %); stderr is "
        "over items, mean of the seeds. Guessing: at random; constant: always the most frequent answer, or always the "
        "same place among the choices. Checked: items whose question is one of evaluation.sets, "
        "which a contamination report looks for in training data; clean: those of "
        "them that it does not find there."
    )
    return Table("benchmarks", "Benchmarks", tuple(rows), note)


def _scores_of(study: Study, arm: str) -> Iterator[Row]:
    asked = study.recipe.evaluation.benchmarks
    assert asked is not None
    for task in asked.tasks:
        runs = list(asked_of(study, arm, task).values())
        for metric, level in runs[0].summary["metrics"].items() if runs else ():
            scores = [run.summary["metrics"][metric] for run in runs]
            errors = [score["stderr"] for score in scores if score["stderr"] is not None]
            score = with_bounds("score", [score["value"] for score in scores], study.recipe.study.confidence)
            known = metric_named(metric)
            numbers = {
                **(within_unit(score, "score") if known.is_share else score),
                "stderr": fmean(errors) if errors else None,
                "guessing": level["random_level"], "constant": level["constant_level"],
            }  # fmt: skip
            yield {
                "arm": arm, "task": task, "metric": metric, "unit": known.level_unit or known.unit,
                "items": runs[0].summary["items"], "seeds": len(runs), **_scaled(numbers, known),
                **_clean(study, runs, metric),
            }  # fmt: skip


def _scaled(numbers: Row, metric: Metric) -> Row:
    """The numbers in the unit that the metric is printed in."""
    return {key: None if value is None else metric.scale * value for key, value in numbers.items()}


def _clean(study: Study, runs: Sequence[Asked], metric: str) -> Row:
    """How many items a contamination report checks, how many it calls clean, and the score on these; None without."""
    report = clean_questions(study)
    if report is None or metric_named(metric).is_perplexity:
        return {"checked_items": None, "clean_items": None, "clean_score": None}
    ids = runs[0].items(metric).questions.tolist()
    scores = [clean_score(run.items(metric), report) for run in runs]
    known = [score for score in scores if score is not None]
    return {
        "checked_items": sum(each in report for each in ids),
        "clean_items": sum(report.get(each, False) for each in ids),
        "clean_score": metric_named(metric).scale * fmean(known) if known else None,
    }


def clean_score(items: BenchmarkItems, report: Mapping[str, bool]) -> float | None:
    """The score on the items whose question was checked and found clean; None where there are none."""
    kept = np.array([report.get(each, False) for each in items.questions.tolist()], dtype=bool)
    return float(np.average(items.scores[kept], weights=items.weights[kept])) if kept.any() else None


def _forgetting(study: Study, arms: Sequence[ArmFacts]) -> Table:
    rows = [row for arm in arms if (row := _forgotten(study, arm.name, num_arms=len(arms))) is not None]
    note = (
        "Forgetting: the untrained model's average over the tasks minus the tuned one's, in points, paired item by "
        "item (Biderman et al. 2024); positive is lost. The interval covers other seeds and other items; with one "
        "seed other items alone. It is corrected for the number of arms (Bonferroni)."
    )
    return Table("forgetting", "Forgetting", tuple(rows), note)


def _forgotten(study: Study, arm: str, *, num_arms: int) -> Row | None:
    asked = study.recipe.evaluation.benchmarks
    assert asked is not None
    found = [(task, asked_of(study, ZERO_SHOT, task), asked_of(study, arm, task)) for task in asked.tasks]
    pairs = {task: (base[0], tuned) for task, base, tuned in found if task in asked.forgetting and base and tuned}
    if not pairs:
        return None
    parts = {task: lost_parts(base, tuned, len(pairs)) for task, (base, tuned) in pairs.items()}
    lost = Parts(*(np.concatenate([getattr(each, name) for each in parts.values()], axis=-1) for name in PART_FIELDS))
    estimate = forgetting_interval(lost, study.recipe.study.confidence, num_comparisons=num_arms)
    base = fmean(_primary(run) for run, _ in pairs.values())
    return {
        "arm": arm, "tasks": ", ".join(pairs), "seeds": len(lost.values),
        "base_percent": 100 * base, "tuned_percent": 100 * (base - estimate.mean),
        "forgetting_points": 100 * estimate.mean,
        "forgetting_points_low": None if estimate.low is None else 100 * estimate.low,
        "forgetting_points_high": None if estimate.high is None else 100 * estimate.high,
        "verdict": forgetting_verdict(estimate),
    }  # fmt: skip


def forgotten_by_seed(study: Study, arm: str) -> dict[int, float]:
    """What each seed of an arm lost of the average over the tasks, a share; none where that was not measured."""
    asked = study.recipe.evaluation.benchmarks
    found = (
        [(asked_of(study, ZERO_SHOT, task), asked_of(study, arm, task)) for task in asked.forgetting] if asked else []
    )
    pairs = [(base[0], tuned) for base, tuned in found if base and tuned]
    seeds = set.intersection(*(set(tuned) for _, tuned in pairs)) if pairs else set()
    return {seed: fmean(_primary(base) - _primary(tuned[seed]) for base, tuned in pairs) for seed in sorted(seeds)}


PART_FIELDS = "values", "sets", "ids"


def forgetting_sentence(table: Table, arm: str | None) -> str | None:
    """What an arm forgot, for the verdict; None where nothing was asked of it."""
    row = next((row for row in table.rows if row["arm"] == arm), None)
    if row is None:
        return None
    lost, low, high = (row[f"forgetting_points{bound}"] for bound in ("", *BOUNDS))
    is_gain = lost < 0
    bounds = () if low is None else (-high, -low) if is_gain else (low, high)
    interval = f", interval {' to '.join(fixed(bound, 1) for bound in bounds)}" if bounds else ""
    points = f"{fixed(abs(lost), 1)} points {'gained on' if is_gain else 'lost of'}"
    size = f"{points} the average over {row['tasks']}{interval}"
    heads = {"forgets": f"{arm} forgets", "gains": f"{arm} forgets nothing and gains"}
    return f"{heads.get(row['verdict'], f'{arm}, forgetting: ' + row['verdict'])} ({size})."


def lost_parts(base: Asked, tuned: Mapping[int, Asked], num_tasks: int) -> Parts:
    """What each item adds to the forgetting of each seed, one task of so many; what is gained is below 0."""
    metric = base.summary["primary"]
    before = base.items(metric)
    after = np.stack([run.items(metric).scores for run in tuned.values()])
    num = len(before.names)
    return Parts((before.scores - after) / num / num_tasks, np.full(num, base.task), before.names)


def _primary(run: Asked) -> float:
    value: float = run.summary["metrics"][run.summary["primary"]]["value"]
    return value


def forgetting(base: Mapping[str, float], tuned: Mapping[str, float]) -> float:
    """The plain average over the tasks before tuning minus that after it (Biderman et al. 2024, section 3)."""
    return fmean(base.values()) - fmean(tuned[task] for task in base)


def forgetting_interval(lost: Parts, confidence: float, *, num_comparisons: int) -> Estimate:
    """Over seeds and items; over items alone where there is one seed; without bounds where neither is to be had."""
    over_both = interval_over_items(lost, confidence, num_comparisons=num_comparisons)
    over_items = interval_of_one_run(lost, confidence, num_comparisons=num_comparisons) if over_both is None else None
    found = over_both or over_items or mean_interval(lost.values.sum(axis=1).tolist(), confidence)
    assert found is not None
    return found


def forgetting_verdict(estimate: Estimate) -> str:
    """`forgets`, `gains`, `no difference shown` or `too few items`."""
    if estimate.low is None or estimate.high is None:
        return "too few items"
    if estimate.low > 0:
        return "forgets"
    return "gains" if estimate.high < 0 else "no difference shown"


def _left_out(study: Study, arms: Sequence[ArmFacts]) -> Table:
    asked = study.recipe.evaluation.benchmarks
    assert asked is not None
    refused: Mapping[str, str] = study.settings.get("unavailable", {})
    models = [(ZERO_SHOT, 0), *((arm.name, seed) for arm in arms for seed in study.recipe.study.seeds)]
    stages = {_stage(task, *model): task for task in asked.tasks for model in models}
    reasons = {stages[stage]: reason for stage, reason in refused.items() if stage in stages}
    for task in asked.tasks:
        for run in asked_of(study, ZERO_SHOT, task).values():
            if run.summary["left_out"]:
                reasons.setdefault(task, run.summary["left_out"])
    rows = tuple({"task": task, "reason": reason} for task, reason in reasons.items())
    return Table("benchmarks_left_out", "Benchmarks that could not run here, or not with all items", rows)
