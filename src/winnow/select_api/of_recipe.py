"""The rows that an arm of a study chose, in the fields in which their sources hold them.

    export_arm(load_recipe("recipes/gsm-cpu.yaml"), arm="herding_0.1", folder=Path("chosen"))

A pool keeps no more of a row than training needs; so its sources are read again, and rows found by their ids.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.ledger import SELECTION_METERS, charged_stages, metered, total
from winnow.parts import SelectPart
from winnow.pipeline import advance, checked, selector_traits
from winnow.pool.loading import ReadRow, example_of, read_parts
from winnow.pool.sources import Row
from winnow.recipe import Recipe, SourceRecipe
from winnow.records import Cost, Stored
from winnow.select_api.card import Facts
from winnow.select_api.columns import array_of
from winnow.select_api.export import Chosen, check_export, write_dataset
from winnow.selection.stages import SELECTION, SELECTION_SUMMARY
from winnow.store import read_json
from winnow.study.graph import Graph, expand
from winnow.study.selection_stages import selection_stage
from winnow.text.examples import Example
from winnow.walk import Walk, Watch

STATISTICS = "statistics.json"


def export_arm(
    recipe: Recipe,
    *,
    arm: str,
    folder: Path,
    format: str = "parquet",
    seed: int | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    watch: Watch | None = None,
) -> Path:
    """Select for an arm of a study, unless it is done, and write its rows as a folder for `datasets.load_dataset`.

    `seed` is the study's first where it is not given. Raises WinnowError in one line.
    """
    check_export(folder, format)
    walk = advance(recipe, "select", out=out, store=store, arm=arm, seed=seed, watch=watch)
    graph = expand(checked(recipe), selector_traits())
    asked = next(each for each in graph.arms if each.name == arm)
    name = selection_stage(recipe, asked.selection, recipe.study.seeds[0] if seed is None else seed, selector_traits())
    table = pq.read_table(walk.done[name].folder / SELECTION)
    ids = table["id"].to_pylist()
    sources = [each.partition(":")[0] for each in ids]
    rows, as_text = table_of_rows(original_rows(recipe, ids, walk.done))
    facts = _facts(recipe, graph, walk, name, as_text)
    weights = table["weight"].to_numpy() if "weight" in table.column_names else None
    return write_dataset(folder, rows, Chosen(ids, sources, weights), facts, format)


def original_rows(recipe: Recipe, ids: Sequence[str], inputs: Mapping[str, Stored]) -> list[Row]:
    """The rows with these ids, as their sources hold them. Raises DataError where one is not found."""
    own = recipe.pool.target.source if recipe.pool.target else None
    sources = [*recipe.pool.sources, *([own] if own else [])]
    names, found = {each.partition("#")[0] for each in ids}, dict[str, Row]()
    for source in sources:
        found |= _numbered(_those_named(source, names, inputs))
    missing = [each for each in ids if each not in found]
    if missing:
        why = "were planted by pool.plant" if recipe.pool.plant else "are no longer in the sources"
        raise DataError(
            f"{len(missing)} of {len(ids)} chosen rows {why} (such as {missing[0]}); an export holds rows as their "
            "sources do"
        )
    return [found[each] for each in ids]


def _those_named(source: SourceRecipe, names: set[str], inputs: Mapping[str, Stored]) -> Iterator[tuple[str, ReadRow]]:
    """The usable rows of a source whose ids, repeats not told apart, are among these."""
    for read in read_parts(source, inputs):
        made = example_of(source, read)
        if isinstance(made, Example) and made.id in names:
            yield made.id, read


def _numbered(named: Iterable[tuple[str, ReadRow]]) -> dict[str, Row]:
    """Id -> row, with repeats numbered as `number_repeats` does."""
    times, found = Counter[str](), dict[str, Row]()
    for name, read in sorted(named, key=lambda each: (each[0], each[1].planted or "", sorted(each[1].scores.items()))):
        times[name] += 1
        found[name if times[name] == 1 else f"{name}#{times[name]}"] = read.row
    return found


def table_of_rows(rows: Sequence[Row]) -> tuple[pa.Table, tuple[str, ...]]:
    """Rows of several sources as one table; what a row lacks is null.

    And the columns whose values are of types that do not go together: they hold text instead, JSON where it is none.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns, as_text = dict[str, pa.Array](), []
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = array_of(values)
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array([_text(value) for value in values], pa.string())
            as_text.append(name)
    return pa.table(columns), tuple(as_text)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _facts(recipe: Recipe, graph: Graph, walk: Walk, name: str, as_text: tuple[str, ...]) -> Facts:
    stored = walk.done[name]
    summary, statistics = read_json(stored.folder / SELECTION_SUMMARY), read_json(walk.done["pool"].folder / STATISTICS)
    counts = {
        "the question stands in an evaluation set": statistics["removed_overlaps_total"],
        "not usable or too long": statistics["dropped"],
        "left out by a sample or limit of the recipe": statistics["left_out"],
        "held out for validation": statistics["validation_examples"],
        "set aside as the target": statistics["target_examples"],
    }
    notes = ["Sources differ in their columns: what a source does not have is null."]
    if as_text:
        notes.append(f"Text, because sources differ in its type: {', '.join(f'`{each}`' for each in as_text)}.")
    own = recipe.pool.target.source if recipe.pool.target else None
    part = graph.stages[name].part
    assert isinstance(part, SelectPart)
    return Facts(
        selector=summary["selector"], options=dict(part.options), fraction=summary["fraction"],
        seed=summary["seed"], examples=summary["size"], pool_examples=summary["pool_size"],
        composition=summary["composition"], cost=_cost(graph, walk, name), removed=counts, study=recipe.name,
        licences=statistics["licences"] | ({own.name: own.licence} if own else {}), notes=tuple(notes),
    )  # fmt: skip


def _cost(graph: Graph, walk: Walk, name: str) -> Cost:
    """Of selection, representations, and what was trained for these alone."""
    edges = {stage.name: stage.inputs for stage in graph.stages.values()}
    spent = [walk.done[each].artifact for each in charged_stages(name, edges, except_below=("base",))]
    cost = total(metered(artifact, SELECTION_METERS) for artifact in spent)
    return replace(cost, flops=walk.done[name].numbers["charged_flops"])
