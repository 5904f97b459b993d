"""All measurements of a study as one tidy long table, one number per row."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from winnow.analysis.scores import Final, Levels
from winnow.analysis.study_records import Run, Trial
from winnow.columns import array_of
from winnow.records import ZERO_SHOT
from winnow.store import write_atomic

COLUMNS = ("arm", "seed", "step", "split", "source", "metric", "value", "flops", "seconds")
"""`split` is train, validation, target_validation (of the target's kind), test (samples, on the way), best, last, start
(a checkpoint on the whole sets), or sweep (a trial's validation loss). `source` is a set's name, micro or macro; of a
trial, its learning rate. `flops` and `seconds` are the run's training up to that step. Where arms differ in more than
their selection, a column for each factor follows, with the arm's level."""


def columns(factors: Iterable[str]) -> tuple[str, ...]:
    """The columns of a study with these factors; one that is called as another column is `factor_<name>`."""
    return (*COLUMNS, *(f"factor_{name}" if name in COLUMNS else name for name in factors))


def with_levels(
    measurements: Iterable[tuple[Any, ...]], factors: Sequence[str], levels: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[Any, ...]]:
    """The rows, each with the levels of its arm behind it; null where the arm has none."""
    for row in measurements:
        own = levels.get(row[0], {})
        yield (*row, *(own.get(name) for name in factors))


def rows(
    runs: Mapping[tuple[str, int], Run],
    finals: Mapping[tuple[str, int, str], Final],
    *,
    zero_shot: Final | None,
    trials: Iterable[Trial],
) -> Iterator[tuple[Any, ...]]:
    """The rows of the table, in the order of COLUMNS."""
    for run in runs.values():
        yield from _training_rows(run)
        yield from _evaluation_rows(run)
    for (arm, seed, checkpoint), final in finals.items():
        run = runs[arm, seed]
        step = run.step_of(checkpoint)
        cost = next(((row.flops, row.seconds) for row in run.evaluations if row.step == step), (None, None))
        yield from _scores((arm, seed, step, checkpoint), final.levels, cost)
    if zero_shot:
        yield from _scores((ZERO_SHOT, None, 0, "start"), zero_shot.levels, (0.0, 0.0))
    for trial in trials:
        head = (trial.arm, trial.seed, trial.steps, "sweep", f"{trial.learning_rate:g}")
        yield (*head, "loss", trial.loss, trial.cost.flops, trial.cost.seconds)


def write_parquet(table: Iterable[tuple[Any, ...]], names: Sequence[str], path: Path) -> None:
    """These rows as a Parquet file, with columns of these names: those of `Study.to_pandas`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = [pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string(), pa.string(), *([pa.float64()] * 3)]
    types += [pa.string()] * (len(names) - len(types))
    values = list(zip(*table, strict=True)) or [()] * len(names)
    arrays = [array_of(each, kind) for each, kind in zip(values, types, strict=True)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


def _training_rows(run: Run) -> Iterator[tuple[Any, ...]]:
    if run.learning_rate is not None:
        yield (run.arm, run.seed, 0, "train", None, "learning_rate", run.learning_rate, 0.0, 0.0)
    for row in run.steps:
        yield (run.arm, run.seed, row.step, "train", None, "loss", row.loss, row.flops, row.seconds)


def _evaluation_rows(run: Run) -> Iterator[tuple[Any, ...]]:
    for row in run.evaluations:
        cost = (row.flops, row.seconds)
        yield (run.arm, run.seed, row.step, "validation", None, "loss", row.validation.loss, *cost)
        if row.target_validation is not None:
            yield (run.arm, run.seed, row.step, "target_validation", None, "loss", row.target_validation.loss, *cost)
        scores = {**row.sets, "micro": row.micro, "macro": row.macro}
        levels = {name: score.levels for name, score in scores.items()}
        yield from _scores((run.arm, run.seed, row.step, "test"), levels, cost)


def _scores(head: tuple[Any, ...], scores: Mapping[str, Levels], cost: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for source, levels in scores.items():
        for metric, level in levels.items():
            yield (*head, source, metric, level, *cost)
