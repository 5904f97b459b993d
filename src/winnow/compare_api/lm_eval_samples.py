"""Items as `lm_eval --log_samples` leaves them: `samples_<task>_<time>.jsonl`, a row for each item and filter.

    {"doc_id": 0, "doc_hash": "…", "filter": "none", "metrics": ["acc", "acc_norm"], "acc": 1.0, "acc_norm": 0.0, ...}

Every metric is there twice where there are several tasks: `arc_easy/acc`, and `acc`, over the items of all tasks that
have it. What follows a comma is the filter, where a task has several. Runs are compared item by item, so that there is
an interval over items with one seed each. Metrics that are no mean of their items' numbers (perplexity) are left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from winnow.analysis.items import ItemScores
from winnow.compare_api.run_names import RunName, named_in
from winnow.errors import DataError
from winnow.metrics import Metric, metric_named
from winnow.pool.file_types import read_file

PATTERN = "samples_*.jsonl"
NAME = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?")
NEEDED = ("doc_id", "metrics")

Scores = dict[str, dict[str, float]]
"""Task -> item -> score."""


@dataclass
class Samples:
    """The items of all runs, by metric."""

    scores: dict[RunName, dict[str, Scores]] = field(default_factory=dict)

    def add(self, run: RunName, file: Path) -> None:
        """The items of one file. Raises DataError where they are none, or of a task that the run has already."""
        task = _task(file)
        for row in read_file(file):
            for metric, item, score in _of_row(row, file):
                items = self.scores.setdefault(run, {}).setdefault(metric, {}).setdefault(task, {})
                if item in items:
                    raise DataError(
                        f"{file} has item {item.partition(':')[0]} of {task} a second time for {run.arm}, seed "
                        f"{run.seed}; give one file of each task"
                    )
                items[item] = score

    @property
    def tasks(self) -> list[str]:
        """All of them, in the order of their files."""
        named = (scores for metrics in self.scores.values() for scores in metrics.values())
        return list(dict.fromkeys(task for scores in named for task in scores))

    def rows(self) -> Iterator[dict[str, Any]]:
        """A measurement for each run and metric: the mean over its items."""
        for run in self.scores:
            for metric in self._metrics(run):
                scores = self.items(run, metric).sums
                yield {"arm": run.arm, "seed": run.seed, "metric": metric, "value": float(scores.mean())}

    def _metrics(self, run: RunName) -> list[str]:
        known = self.scores[run]
        each = [f"{task}/{metric}" for metric, scores in known.items() for task in scores]
        return [*known, *(each if len(self.tasks) > 1 else [])]

    def items(self, run: RunName, metric: str) -> ItemScores:
        """The items of one metric, sorted."""
        task, slash, alone = metric.partition("/")
        known = self.scores[run]
        found = {task: known[alone][task]} if slash and metric not in known else known[metric]
        rows = sorted((task, item, score) for task, scores in found.items() for item, score in scores.items())
        sets, ids, sums = (np.array(column) for column in zip(*rows, strict=True))
        return ItemScores(sets, ids, sums.astype(np.float64), np.ones(len(rows)))

    def of_metric(self, metric: str) -> dict[str, dict[int, ItemScores]]:
        """Arm -> seed -> items, of the runs that have the metric. Raises DataError where they answered other items."""
        found: dict[str, dict[int, ItemScores]] = {}
        runs = [run for run in self.scores if metric in self._metrics(run)]
        for run in runs:
            found.setdefault(run.arm, {})[run.seed] = items = self.items(run, metric)
            first = found[runs[0].arm][runs[0].seed]
            if not (np.array_equal(items.ids, first.ids) and np.array_equal(items.sets, first.sets)):
                raise DataError(
                    f"{run.arm}, seed {run.seed}, answered {len(items.ids)} items by {metric}, and {runs[0].arm}, seed "
                    f"{runs[0].seed}, {len(first.ids)} that are not the same; run both with the same tasks and --limit"
                )
        return found


def sample_files(path: Path) -> list[Path]:
    """The files of samples in a folder of results or one below it, or the file itself; empty where it is none."""
    if path.is_dir():
        return [*sorted(path.glob(PATTERN)), *sorted(path.glob(f"*/{PATTERN}"))]
    if not path.name.lower().endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        return []
    row = next(islice(read_file(path), 1), None)
    return [path] if row is not None and all(key in row for key in NEEDED) else []


def run_of(file: Path) -> RunName:
    """Whose samples are by the model's folder, or by one above. Raises DataError where neither says it.

    lm-eval calls a folder by the model's whole path, with `__` for each slash.
    """
    model = file.parent.name.split("__")[-1]
    return named_in(str(file.parent.with_name(model) / file.name) if model else str(file))


def facts_of(metric: str) -> Metric | None:
    """What is known of a metric of lm-eval, under the name that it has here; None of one that is not known."""
    try:
        found = metric_named(metric.rsplit("/", maxsplit=1)[-1])
    except KeyError:
        return None
    return Metric(
        metric, found.higher_is_better, found.unit, found.level_unit, is_share=found.is_share, places=found.places
    )


def _task(file: Path) -> str:
    match = NAME.fullmatch(re.sub(r"\.jsonl(\.gz|\.zst)?$", "", file.name))
    return match["task"] if match else file.name.partition(".")[0]


def _of_row(row: Mapping[str, Any], file: Path) -> Iterator[tuple[str, str, float]]:
    """Metric, item and score of each metric of a row that is one number."""
    metrics = row.get("metrics")
    if "doc_id" not in row or not isinstance(metrics, Sequence) or isinstance(metrics, str):
        raise DataError(f"{file} has a row without doc_id or metrics; give the samples as lm_eval --log_samples wrote")
    item, kept = f"{row['doc_id']}:{row.get('doc_hash', '')}", row.get("filter", "none")
    for name in metrics:
        score = row.get(name)
        if isinstance(score, bool | int | float) and not _is_no_mean(name):
            yield name if kept == "none" else f"{name},{kept}", item, float(score)


def _is_no_mean(metric: str) -> bool:
    known = facts_of(metric)
    return metric.endswith("perplexity") or (known is not None and known.is_perplexity)
