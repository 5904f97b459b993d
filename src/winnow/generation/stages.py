"""The generate stage: one source of the built-in generator, or of a teacher, as a table."""

import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.generation.passages import generate_text
from winnow.generation.problems import ALL_FAMILIES, EASY_FAMILIES, generate_problems
from winnow.generation.synthetic import generate_synthetic
from winnow.parts import GeneratePart
from winnow.recipe import PassagesRecipe, ProblemsRecipe
from winnow.records import Context, Cost, Outcome, Stored

ROWS = "rows.parquet"


def generate(part: GeneratePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Make the problems or passages of one source; leaves `rows.parquet`."""
    if part.source.synthetic is not None:
        return generate_synthetic(part, inputs, context)
    started = time.perf_counter()
    source = part.source
    columns = _problems(source.problems) if source.problems else _passages(source.passages)
    pq.write_table(pa.table(columns), context.folder / ROWS, compression="zstd")
    rows = len(next(iter(columns.values())))
    cost = Cost(seconds=time.perf_counter() - started)
    return Outcome(outputs=(ROWS,), numbers={"rows": rows}, costs={"generate": cost})


def _problems(asked: ProblemsRecipe) -> dict[str, list[Any]]:
    named = {"all": ALL_FAMILIES, "easy": EASY_FAMILIES}
    families = named[asked.families] if isinstance(asked.families, str) else asked.families
    problems = generate_problems(
        examples=asked.examples, seed=asked.seed, families=families, near_copies=asked.near_copies,
        wrong_answers=asked.wrong_answers, off_topic=asked.off_topic, largest_number=asked.largest_number,
    )  # fmt: skip
    kept = ("question", "rationale", "answer", "program", "family", "steps", "planted")
    return {key: [getattr(problem, key) for problem in problems] for key in kept}


def _passages(asked: PassagesRecipe | None) -> dict[str, list[Any]]:
    assert asked is not None
    return {"text": generate_text(documents=asked.documents, seed=asked.seed, largest_number=asked.largest_number)}
