"""What a pool leaves out of what the stage `hygiene` found, as its recipe asks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.pool.file_types import read_parquet
from winnow.pool.hygiene.contamination import COVERED, EQUAL
from winnow.pool.hygiene.stage import EXAMPLES, TABLES
from winnow.recipe import HygieneRecipe
from winnow.records import Stored
from winnow.store import read_json
from winnow.text.examples import Example

CONTAMINATED, CONTAMINATED_SOURCE = "an evaluation item in it", "a source that holds too much of an evaluation set"
CONTAMINATIONS = CONTAMINATED, CONTAMINATED_SOURCE
COPY, NEAR_COPY = "an exact copy before it", "a near-duplicate before it"
GROUPS: dict[str, str | None] = {"report": None, "drop_exact": "exact_group", "drop_near": "near_group"}


@dataclass
class Dropping:
    """Which examples stay; handed the sources' examples in the order of the stage, it goes through its lines once."""

    recipe: HygieneRecipe
    path: Path
    """EXAMPLES."""
    contaminated_sources: set[str]
    lines: Iterator[dict[str, Any]]
    """Of EXAMPLES, those that no example was asked for yet."""
    headless: set[str] = field(default_factory=set)
    """Groups whose first row was dropped, and no row was kept since."""

    def keep(self, source: str, examples: Iterable[Example]) -> tuple[list[Example], Counter[str]]:
        """The examples that stay, in their order, and why the others do not: reason -> rows.

        Raises DataError where the source is another one than the stage read.
        """
        kept, dropped = [], Counter[str]()
        for example in examples:
            line = next(self.lines, None)
            if line is None or line["id"] != example.id:
                raise DataError(
                    f"source {source!r} has changed since pool.hygiene read it: {example.id} is new or another row is "
                    "gone; leave the files of sources alone while a study runs, and run it again"
                )
            reason = self._reason(source, line)
            if reason is None:
                kept.append(example)
            else:
                dropped[reason] += 1
        return kept, dropped

    def _reason(self, source: str, line: dict[str, Any]) -> str | None:
        contamination, group = self._contamination(source, line), GROUPS[self.recipe.duplicates]
        if group is None:
            return contamination
        is_first = line[group] == line["id"]
        if contamination and is_first:
            self.headless.add(line[group])
        if contamination or is_first:
            return contamination
        if line[group] in self.headless:
            self.headless.remove(line[group])
            return None
        return COPY if group == "exact_group" else NEAR_COPY

    def _contamination(self, source: str, line: dict[str, Any]) -> str | None:
        if self.recipe.contamination == "drop_source" and source in self.contaminated_sources:
            return CONTAMINATED_SOURCE
        is_found = self.recipe.contamination != "report" and any(line[rule] for rule in self.recipe.drop_by)
        return CONTAMINATED if is_found else None

    def question_copies(self, examples: Sequence[Example]) -> list[int | None]:
        """How many rows of the sources ask each example's question; null for a row that was planted."""
        ids = [example.id for example in examples]
        columns = ["id", "question_copies"]
        found = pq.read_table(self.path, columns=columns, filters=pc.field("id").isin(pa.array(ids, pa.string())))
        copies = dict(zip(*(found[name].to_pylist() for name in columns), strict=True))
        return [copies.get(identity) for identity in ids]


def dropping_of(recipe: HygieneRecipe, hygiene: Stored) -> Dropping:
    """What to do with the examples, from the artifact of the stage."""
    path, cells = hygiene.folder / EXAMPLES, read_json(hygiene.folder / TABLES)["contamination"]
    return Dropping(recipe, path, contaminated_sources(cells, recipe), read_parquet(path))


def contaminated_sources(cells: Iterable[dict[str, Any]], recipe: HygieneRecipe) -> set[str]:
    """Sources that hold more than `max_contaminated_fraction` of some set, by `covered_8` or `equal_question`."""
    limit = recipe.max_contaminated_fraction
    return {cell["source"] for cell in cells if max(cell[COVERED], cell[EQUAL]) > limit * cell["items"]}
