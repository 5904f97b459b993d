"""The hub's `model-index`: what each arm scored, as machines read it, with each data set's type and name."""

from collections.abc import Iterator
from typing import Any

from winnow.findings import Findings
from winnow.metrics import EXACT_MATCH, LOSS, METRICS, Metric, metric_named
from winnow.recipe import SourceRecipe

HUB = "hf://"
AVERAGES = "micro", "macro"
"""Rows of the table of evaluations that are no data set."""
BENCHMARKS = "benchmarks"
TASK = {"type": "text-generation"}
Result = dict[str, Any]


def hub_names(source: SourceRecipe) -> list[str]:
    """The data sets of a hub that a source is read from; none where it is files, or generated."""
    paths = [source.path] if isinstance(source.path, str) else list(source.path or ())
    return [path.removeprefix(HUB) for path in paths if path.startswith(HUB)]


def index_entry(findings: Findings, arm: str) -> Result:
    """One arm's entry: its best checkpoint on each evaluation set, plain text, and benchmark; means over seeds."""
    results = [*(_of_text if findings.recipe.is_text else _of_sets)(findings, arm), *_of_benchmarks(findings, arm)]
    return {"name": f"{findings.recipe.name} {arm}", "results": results}


def _of_sets(findings: Findings, arm: str) -> Iterator[Result]:
    for row in findings.tables["evaluation"].rows:
        if (row["arm"], row["checkpoint"]) == (arm, "best") and row["set"] not in AVERAGES:
            metrics = [*_metric(EXACT_MATCH, row["exact_match"]), *_metric(LOSS, row["loss"])]
            yield {"task": TASK, "dataset": _dataset(findings, row["set"]), "metrics": metrics}


def _of_text(findings: Findings, arm: str) -> Iterator[Result]:
    names = LOSS.name, "perplexity", "bits_per_byte"
    for row in findings.tables["text_losses"].rows:
        if (row["arm"], row["checkpoint"]) == (arm, "best"):
            metrics = [each for name in names for each in _metric(METRICS[name], row[name])]
            yield {"task": TASK, "dataset": _dataset(findings, row["set"]), "metrics": metrics}


def _of_benchmarks(findings: Findings, arm: str) -> Iterator[Result]:
    """In percent, as tables print them; each metric of a task."""
    table = findings.tables.get(BENCHMARKS)
    rows = [row for row in table.rows if row["arm"] == arm] if table else []
    for task in dict.fromkeys(row["task"] for row in rows):
        metrics = [
            {"type": row["metric"], "name": metric_named(row["metric"]).title, "value": round(row["score"], 4)}
            for row in rows if row["task"] == task and row["score"] is not None
        ]  # fmt: skip
        yield {"task": TASK, "dataset": {"name": task, "type": task}, "metrics": metrics}


def _dataset(findings: Findings, name: str) -> dict[str, str]:
    """Type and name: the type is the hub's own name of the data, where they are the hub's; else ours."""
    recipe = findings.recipe
    known = (*recipe.evaluation.sets, *(recipe.evaluation.text or ()), *recipe.pool.sources)
    source = next((each for each in known if each.name == name), None)
    own = hub_names(source) if source else []
    return {"name": name, "type": own[0] if own else name}


def _metric(metric: Metric, level: float | None) -> list[Result]:
    """The metric, where it was asked for."""
    if level is None:
        return []
    return [{"type": metric.name, "name": metric.title, "value": round(metric.scale * level, metric.places or 4)}]
