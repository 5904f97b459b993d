"""What was predicted of each arm before it trained, beside what its runs used."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from winnow.analysis.cost import evaluation_cost
from winnow.analysis.study_folder import Study
from winnow.findings import ArmFacts, Table
from winnow.records import Prediction, from_json
from winnow.store import read_json
from winnow.study_files import PREDICTIONS
from winnow.text.printing import EXA

Row = dict[str, Any]
MIB = 2**20


AMOUNTS = "steps", "tokens", "exaflops", "seconds", "evaluation_exaflops", "evaluation_seconds", "memory_mib"
COLUMNS = (
    "arm", "seeds", *(column for name in AMOUNTS for column in (f"{name}_predicted", name, f"{name}_ratio")),
)  # fmt: skip
"""Of the table of predictions."""


def predicted_table(study: Study, arms: Sequence[ArmFacts]) -> Table:
    """A row for each arm that was predicted and has a finished run; means over its seeds."""
    path = study.folder / PREDICTIONS
    known = read_json(path)["arms"] if path.is_file() else {}
    rows = tuple(
        _row(study, arm.name, from_json(Prediction, known[arm.name])) for arm in arms if arm.seeds and arm.name in known
    )
    note = (
        "Of one run, before it trained and after, means over seeds; ratios are used over predicted. FLOPs: reference, "
        "of training; evaluation: on the way and at the end, with benchmarks. Predicted times are those of a core that "
        "nobody shares. Memory is measured on accelerators alone."
    )
    return Table("predicted", "Predicted and used", rows, note, columns=COLUMNS)


def _row(study: Study, arm: str, said: Prediction) -> Row:
    runs = list(study.runs_of(arm).values())
    looked, trained = evaluation_cost(study, arm), [run.costs["train"] for run in runs]
    peaks = [run.peak_memory_bytes for run in runs if run.peak_memory_bytes is not None]
    pairs = {
        "steps": (said.steps, fmean(run.done.steps for run in runs)),
        "tokens": (said.tokens, fmean(cost.tokens for cost in trained)),
        "exaflops": (said.flops / EXA, fmean(cost.flops for cost in trained) / EXA),
        "seconds": (said.seconds, fmean(cost.seconds for cost in trained)),
        "evaluation_exaflops": (said.evaluation_flops / EXA, looked.flops / EXA / len(runs)),
        "evaluation_seconds": (said.evaluation_seconds, looked.seconds / len(runs)),
        "memory_mib": (said.memory_bytes / MIB, fmean(peaks) / MIB if peaks else None),
    }
    row: Row = {"arm": arm, "seeds": len(runs)}
    for name, (predicted, used) in pairs.items():
        row |= {f"{name}_predicted": _whole(name, predicted), name: _whole(name, used)}
        row[f"{name}_ratio"] = used / predicted if used is not None and predicted else None
    return row


def _whole(name: str, value: float | None) -> float | None:
    """Counts as counts."""
    return round(value) if name in ("steps", "tokens") and value is not None else value
