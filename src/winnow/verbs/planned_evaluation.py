"""What looking at a run costs: losses and answers on its way and at its end, and the benchmarks of the field.

    looks = evaluation_of(recipe, costs, pool, steps=625)
    looks.flops, looks.tokens

Counted as `evaluation/scoring.py` counts. An answer is taken to be as long as the reference one, up to
`evaluation.max_new_tokens`; the best and the last checkpoint are taken to be two.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from winnow.errors import DataError
from winnow.evaluation.benchmarks.local_data import FILES, local_files, read_splits
from winnow.evaluation.measures.asking import asked_measures
from winnow.models.costs import FlopModel
from winnow.recipe import BENCHMARKS, Recipe
from winnow.verbs.planned_pool import Lengths, PlannedPool, PlannedSet

WRITTEN = {"gsm8k": 256, "minerva_math500": 512, "ifeval": 1280}
"""Benchmarks that ask for text -> tokens that an answer may have, as lm-eval sets them."""
TYPICAL = {
    "hellaswag": (10_042, 1_056), "arc_easy": (2_376, 225), "arc_challenge": (1_172, 268), "piqa": (1_838, 233),
    "winogrande": (1_267, 114), "truthfulqa_mc1": (817, 676), "truthfulqa_mc2": (817, 676), "mmlu": (14_042, 459),
    "commonsense_qa": (1_221, 152), "boolq": (3_270, 623), "lambada_openai": (5_153, 323), "gsm8k": (1_319, 533),
    "minerva_math500": (500, 255), "ifeval": (541, 273),
}  # fmt: skip
"""Benchmark -> its items, and about so many letters of an item with all its answers, where no data are at hand."""
SUBSETS = {"mmlu": 57}
"""Benchmarks of which a limit takes so many items of each part."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What evaluation uses, in reference FLOPs and tokens."""

    flops: float = 0.0
    tokens: int = 0
    written_flops: float = 0.0
    """Of the tokens that are written, one after the other."""
    written_steps: int = 0
    """Steps of batches of answers; some answer of each is taken to go on to the most that is allowed."""

    def __add__(self, other: "Looks") -> "Looks":
        return Looks(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def times(self, count: int) -> "Looks":
        """So many of them."""
        return Looks(*(each * count for each in astuple(self)))


def evaluation_of(recipe: Recipe, costs: FlopModel, pool: PlannedPool, *, steps: int) -> Looks:
    """All evaluation of one run; nothing where the pool is declared, since no evaluation set was read."""
    if pool.is_declared:
        return Looks()
    samples = [taken(items, recipe.evaluation.sample) for items in pool.sets]
    on_the_way = _passes(costs, pool.validation) + _scored(recipe, costs, samples)
    return on_the_way.times(num_evaluations(steps, recipe.evaluation.every_steps)) + final_of(
        recipe, costs, pool, checkpoints=2 if steps else 1
    )


def final_of(recipe: Recipe, costs: FlopModel, pool: PlannedPool, *, checkpoints: int = 1) -> Looks:
    """The whole sets for so many checkpoints, and the benchmarks for one; so the model as it is is looked at, too."""
    if pool.is_declared:
        return Looks()
    return _scored(recipe, costs, pool.sets).times(checkpoints) + _benchmarks(recipe, costs, pool)


def num_evaluations(steps: int, every_steps: int) -> int:
    """Evaluations on the way: before the first step, after every so many, after the last."""
    return 1 + steps // every_steps + (steps % every_steps > 0)


def taken(items: PlannedSet, count: int) -> PlannedSet:
    """The first so many items."""
    return PlannedSet(items.name, items.prompts[:count], items.completions[:count], items.is_open[:count])


def _scored(recipe: Recipe, costs: FlopModel, sets: Sequence[PlannedSet]) -> Looks:
    """Losses of all items, and answers of those that some measure reads an answer of."""
    reading = [each.measure for each in asked_measures(recipe.evaluation.asked) if each.measure.answers != "none"]
    is_of_open, most, size = (
        any(measure.of_open for measure in reading), recipe.evaluation.max_new_tokens, recipe.evaluation.batch_size,
    )  # fmt: skip
    found = Looks()
    for items in sets:
        answered = items.is_open & is_of_open | ~items.is_open if reading else np.zeros(len(items.prompts), dtype=bool)
        found += _passes(costs, items.prompts + items.completions)
        prompts = items.prompts[answered]
        written = np.minimum(items.completions[answered], most)
        # The prompts are read once for both: only what is written comes on top.
        flops, batches = _sum(costs, prompts + written) - _sum(costs, prompts), -(-len(prompts) // size)
        found += Looks(flops, int(written.sum()), flops, batches * most)
    return found


def _benchmarks(recipe: Recipe, costs: FlopModel, pool: PlannedPool) -> Looks:
    asked, found = recipe.evaluation.benchmarks, Looks()
    for task in asked.tasks if asked else ():
        assert asked is not None
        count, letters = _size_of(task, asked.data_dir, asked.limit)
        tokens = round(letters * pool.tokens_per_letter) * (1 + asked.num_fewshot.get(task, BENCHMARKS[task]))
        found += _passes(costs, np.full(count, tokens + WRITTEN.get(task, 0)))
    return found


def _size_of(task: str, data_dir: str | None, limit: int | None) -> tuple[int, float]:
    """Items of a benchmark, and letters of an item with all its answers: of local data, else as is usual."""
    if data_dir is None:
        count, letters = TYPICAL[task]
        return min(count, SUBSETS.get(task, 1) * (limit or count)), letters
    try:
        places = local_files(Path(data_dir), FILES[task], needs_optional=False)
        rows = next(iter(read_splits(places, FILES[task]).values()))
    except DataError:  # the stage itself will say so, and the study goes on without it
        return 0, 0.0
    return min(len(rows), SUBSETS.get(task, 1) * (limit or len(rows))), sum(map(_letters, rows)) / len(rows)


def _letters(value: Any) -> int:
    """Letters of all texts in a row."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(_letters(part) for part in parts)


def _passes(costs: FlopModel, lengths: Lengths) -> Looks:
    return Looks(_sum(costs, lengths), int(lengths.sum()))


def _sum(costs: FlopModel, lengths: Lengths) -> float:
    return float(costs.forward(lengths).sum())
