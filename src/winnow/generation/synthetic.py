"""Synthetic problems from a teacher, from questions to rows: ask, keep, parse, filter, run, write.

    generate_synthetic(part, inputs, context)      # the generate stage of a source with `synthetic:`

It leaves `rows.parquet`, which the pool reads; `answers.jsonl.gz`, every answer that the rows come from as the teacher
gave it; and `generation.json`, all counts and the cost.
"""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.errors import BudgetError, DataError, RecipeError
from winnow.generation.accounts import Used, counts, write_answers
from winnow.generation.answers import open_answers
from winnow.generation.asking import Seeds, gather
from winnow.generation.harvest import Harvest
from winnow.generation.problems import generate_problems
from winnow.generation.programs import run_programs
from winnow.generation.prompts import PROMPTS
from winnow.generation.teachers.built_in import BuiltInTeacher
from winnow.generation.teachers.interface import Answer, Lost, Request, Teacher
from winnow.generation.teachers.meter import Meter
from winnow.parts import GeneratePart
from winnow.recipe import BuiltInTeacherRecipe, EndpointTeacherRecipe, SyntheticRecipe
from winnow.recipe.marks import without_added
from winnow.records import Context, Outcome, Stored
from winnow.store import write_json
from winnow.text.examples import digest, read_examples

ROWS, ANSWERS, COUNTS = "rows.parquet", "answers.jsonl.gz", "generation.json"
SEED_QUESTIONS = 200
"""Questions of the built-in generator to start from, where the recipe names none."""


def generate_synthetic(part: GeneratePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Make the rows of one source. Raises BudgetError, TeacherError or DataError; what was answered is kept."""
    recipe, started = part.source.synthetic, time.perf_counter()
    assert recipe is not None
    run_programs(["result = 0"], recipe.run_programs)  # what cannot run programs here says so before anybody is paid
    harvest, used = Harvest(recipe), Used()
    with open_answers(context.kept or context.folder, what_answers_rest_on(recipe, inputs)) as kept:
        already = set(kept.answers)
        meter = Meter(
            [*kept.answers.values(), *kept.lost], max_dollars=recipe.max_dollars, max_tokens=recipe.max_teacher_tokens
        )
        teacher = find_teacher(recipe, inputs, meter)

        def keep(event: Answer | Lost) -> None:
            kept.tell(event)
            note = f"{len(kept.answers):,} answers, {meter.dollars:.2f} dollars"
            context.progress.update(len(harvest.rows), recipe.examples, note)

        def ask(requests: Sequence[Request]) -> list[Answer]:
            teacher.ask(kept.lacking(requests), keep)
            used.add(requests, kept.of(requests))
            return kept.of(requests)

        try:
            gather(recipe, seed_questions(recipe, inputs), ask, harvest)
        except BudgetError as error:
            raise BudgetError(f"{so_far(part, harvest)}: {error}; raise that, or lower {WANTED}") from error
        if harvest.lacking:
            raise DataError(
                f"{so_far(part, harvest)}, and the teacher gives nothing new ({most(harvest)}); lower {WANTED}, ask "
                "for problems of more kinds, or take another teacher"
            )
        used.find_lost(kept.lost)
    cost = used.cost(already, recipe, time.perf_counter() - started)
    pq.write_table(rows_table(harvest), context.folder / ROWS, compression="zstd")
    write_answers(context.folder / ANSWERS, used)
    write_json(context.folder / COUNTS, counts(harvest, used))
    numbers = {"rows": len(harvest.rows), "requests": len(used.pairs), "dollars": cost.dollars}
    return Outcome((ROWS,), logs=(ANSWERS, COUNTS), numbers=numbers, costs={"generate": cost})


WANTED = "synthetic.examples (answers are kept, none is paid twice)"


def what_answers_rest_on(recipe: SyntheticRecipe, inputs: Mapping[str, Stored]) -> dict[str, Any]:
    """All that an answer depends on beside its own request."""
    model = {"model": inputs["teacher"].artifact.digest} if "teacher" in inputs else {}
    teacher = without_added(recipe.teacher, recipe.teacher.model_dump(mode="json"))
    settings = {"teacher": teacher, "temperature": recipe.temperature, "seed": recipe.seed, "prompts": PROMPTS}
    return settings | model


def find_teacher(recipe: SyntheticRecipe, inputs: Mapping[str, Stored], meter: Meter) -> Teacher:
    """The teacher that the recipe names. Raises RecipeError where what it needs is not there."""
    asked = recipe.teacher
    if isinstance(asked, BuiltInTeacherRecipe):
        return BuiltInTeacher(asked, seed=recipe.seed)
    if not isinstance(asked, EndpointTeacherRecipe):
        from winnow.generation.teachers.local import LocalTeacher

        return LocalTeacher(asked, meter, model=inputs["teacher"], tokenizer=inputs["tokenizer"])
    try:
        from winnow.generation.teachers.endpoint import EndpointTeacher
    except ImportError as error:
        raise RecipeError("a teacher of kind endpoint needs httpx: pip install 'winnow-lm[teachers]'") from error
    # The one place below the command line that reads the environment: the recipe names the variable, never the key.
    return EndpointTeacher(asked, meter, find_key=os.environ.get)


def seed_questions(recipe: SyntheticRecipe, inputs: Mapping[str, Stored]) -> Seeds:
    """The questions to start from, sorted by id."""
    if "seeds" in inputs:
        return [(each.id, each.question) for each in read_examples(inputs["seeds"].folder / "tests.parquet")]
    problems = generate_problems(examples=SEED_QUESTIONS, seed=recipe.seed)
    return sorted((f"built_in:{digest(each.question)}", each.question) for each in problems)


def so_far(part: GeneratePart, harvest: Harvest) -> str:
    """How many rows there are when generation ends too early."""
    return f"source {part.source.name!r} has {len(harvest.rows):,} of {harvest.recipe.examples:,} problems"


def most(harvest: Harvest) -> str:
    """The most frequent reasons why answers were of no use."""
    reasons = (harvest.malformed + harvest.left_out).most_common(3)
    return ", ".join(f"{count:,} x {reason}" for reason, count in reasons) or "its answers are empty"


def rows_table(harvest: Harvest) -> pa.Table:
    """A row per problem, in the order of the requests; `question_count` is how many rows ask the same question."""
    times = Counter(row.candidate.question.casefold() for row in harvest.rows)
    rows = [
        {
            "question": row.candidate.question,
            "rationale": row.rationale,
            "answer": row.answer,
            "program": row.candidate.program,
            "prompt_kind": row.candidate.kind,
            "seed_id": row.candidate.seed_id,
            "request": row.candidate.id,
            "question_count": times[row.candidate.question.casefold()],
        }
        for row in harvest.rows
    ]
    return pa.Table.from_pylist(rows)
