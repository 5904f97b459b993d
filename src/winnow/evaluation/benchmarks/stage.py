"""The benchmark stage: one task asked of one checkpoint, every item kept."""

import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lm_eval.evaluator import evaluate

from winnow.errors import DataError, UnavailableError
from winnow.evaluation.benchmarks.backend import Backend
from winnow.evaluation.benchmarks.results import Row, item_rows, levels, summarise
from winnow.evaluation.benchmarks.tasks import LoadedTask, load, repeatable
from winnow.models.loading import load_model
from winnow.parts import BenchmarkPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.tokenizers import tokenizer_of

COLUMNS = pa.schema(
    [
        ("task", pa.string()), ("subset", pa.string()), ("item", pa.int64()), ("id", pa.string()),
        ("prompt_hash", pa.string()), ("metric", pa.string()), ("score", pa.float64()), ("weight", pa.int64()),
        ("output", pa.string()), ("extracted", pa.string()), ("target", pa.string()),
    ]
)  # fmt: skip


def run_benchmark(part: BenchmarkPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """The scores of one task, `benchmark.json`, and its items, `items.parquet`.

    Inputs: `run` (a trained artifact, or the model that runs start from), `tokenizer`. Raises UnavailableError where
    the task cannot run here.
    """
    started = time.perf_counter()
    torch.set_num_threads(part.threads)
    backend = Backend(load_model(inputs["run"], part.checkpoint), tokenizer_of(inputs["tokenizer"]))
    try:
        summary, rows = run_task(
            part.task, backend, data_dir=Path(part.data_dir) if part.data_dir else None, limit=part.limit,
            num_fewshot=part.num_fewshot, context=context,
        )  # fmt: skip
    except DataError as error:
        raise UnavailableError(f"benchmark {part.task} cannot run here: {error}") from error
    write_json(context.folder / "benchmark.json", {"checkpoint": part.checkpoint} | summary)
    pq.write_table(pa.Table.from_pylist(rows, schema=COLUMNS), context.folder / "items.parquet", compression="zstd")
    cost = backend.cost() + Cost(seconds=time.perf_counter() - started)
    return Outcome(outputs=("benchmark.json", "items.parquet"), numbers=summary, costs={"evaluate": cost})


def run_task(
    task: str,
    backend: Backend,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
    num_fewshot: int | None = None,
    context: Context | None = None,
) -> tuple[dict[str, Any], list[Row]]:
    """Scores and items of a task. Raises DataError, without the task's name, where it cannot run here."""
    with repeatable():
        parts = load(task, data_dir=data_dir, num_fewshot=num_fewshot, limit=limit)
        asked = []
        for done, part in enumerate(parts):
            if context is not None:
                context.progress.update(done, len(parts), part.subset or task)
            asked.append((part, _ask(backend, part, limit)))
    rows = [row for part, samples in asked for row in item_rows(part, task, samples)]
    summary = {"task": task, "lm_eval": version("lm-eval"), "num_fewshot": parts[0].task.config.num_fewshot}
    summary |= {"left_out": parts[0].left_out} | summarise(task, rows, levels(task, asked))
    return summary, rows


def _ask(backend: Backend, part: LoadedTask, limit: int | None) -> list[Mapping[str, Any]]:
    name = part.task.task_name
    found = evaluate(backend, {"tasks": {name: part.task}}, limit=limit, bootstrap_iters=0, log_samples=True)
    assert found is not None
    samples: list[Mapping[str, Any]] = found["samples"][name]
    return samples
