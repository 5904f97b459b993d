"""What a pool leaves out of what the stage `hygiene` found, as its recipe asks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

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
    """Which examples stay; handed one source after the other, it remembers which copies it has let through."""

    recipe: HygieneRecipe
    rows: dict[str, dict[str, Any]]
    """Id -> line of EXAMPLES."""
    contaminated_sources: set[str]
    seen: set[str] = field(default_factory=set)

    def keep(self, source: str, examples: Iterable[Example]) -> tuple[list[Example], Counter[str]]:
        """The examples that stay, in their order, and why the others do not: reason -> rows."""
        kept, dropped = [], Counter[str]()
        for example in examples:
            reason = self._reason(source, self.rows[example.id])
            if reason is None:
                kept.append(example)
            else:
                dropped[reason] += 1
        return kept, dropped

    def _reason(self, source: str, row: dict[str, Any]) -> str | None:
        recipe = self.recipe
        if recipe.contamination == "drop_source" and source in self.contaminated_sources:
            return CONTAMINATED_SOURCE
        if recipe.contamination != "report" and any(row[rule] for rule in recipe.drop_by):
            return CONTAMINATED
        group = GROUPS[recipe.duplicates]
        if group is None:
            return None
        if row[group] in self.seen:
            return COPY if group == "exact_group" else NEAR_COPY
        self.seen.add(row[group])
        return None

    def question_copies(self, examples: Sequence[Example]) -> list[int | None]:
        """How many rows of the sources ask each example's question; null for a row that was planted."""
        return [row["question_copies"] if (row := self.rows.get(each.id)) else None for each in examples]


def dropping_of(recipe: HygieneRecipe, hygiene: Stored) -> Dropping:
    """What to do with the examples, from the artifact of the stage."""
    lines = pq.read_table(hygiene.folder / EXAMPLES).to_pylist()
    cells = read_json(hygiene.folder / TABLES)["contamination"]
    return Dropping(recipe, {line["id"]: line for line in lines}, contaminated_sources(cells, recipe))


def contaminated_sources(cells: Iterable[dict[str, Any]], recipe: HygieneRecipe) -> set[str]:
    """Sources that hold more than `max_contaminated_fraction` of some set, by `covered_8` or `equal_question`."""
    limit = recipe.max_contaminated_fraction
    return {cell["source"] for cell in cells if max(cell[COVERED], cell[EQUAL]) > limit * cell["items"]}
