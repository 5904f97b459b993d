"""Synthetic sources made on their own, each published as a folder with its card.

    for source in generate(load_recipe("recipes/generated.yaml")):
        print(source.folder, source.facts["rows"])

The stages are those of the study, and what they leave stays in the store: `winnow run` of the same recipe finds it
there, and charges each arm for it. The folder is for everybody else: any recipe reads its `rows.parquet`.
"""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from winnow.credentials import masked_tree
from winnow.errors import RecipeError
from winnow.generation.card import card
from winnow.generation.synthetic import ANSWERS, COUNTS, ROWS
from winnow.pipeline import checked, selector_traits, store_beside, study_folder
from winnow.recipe import Recipe, SourceRecipe
from winnow.recipe.arguments import FolderPath, checks_arguments
from winnow.recipe.file import AnyRecipe, as_recipe
from winnow.records import Stored
from winnow.store import read_json, write_folder, write_json
from winnow.study.graph import Graph, expand
from winnow.text.examples import read_examples
from winnow.walk import Watch, Watching, missing, walk_stages

FOLDER = "generated"
"""Of the published sources, in the study folder."""
CARD = "README.md"
SHARD = 4096


@dataclass(frozen=True)
class Published:
    """A source in a folder of its own."""

    name: str
    folder: Path
    facts: dict[str, Any]
    """What the card tells: counts by reason, cost, duplicates, contamination."""


@checks_arguments(RecipeError)
def generate(
    recipe: AnyRecipe, *, out: FolderPath | None = None, store: FolderPath | None = None, watch: Watching | None = None
) -> list[Published]:
    """Make every synthetic source of the pool that is not there yet, and publish each with its card.

    Raises WinnowError; where a limit or a teacher ends it, the answers so far are kept for the next attempt.
    """
    recipe = as_recipe(recipe)
    sources, graph = synthetic_sources(recipe), expand(checked(recipe, must_exist=False), selector_traits())
    shelf = store_beside(recipe, out, store)
    walk = walk_stages(graph, recipe, shelf, stages_of(graph, sources), watch or Watch())
    folder = study_folder(recipe, out) / FOLDER
    return [
        publish(source, walk.done[f"generated.{source.name}"], walk.done["tests"], folder / source.name)
        for source in sources
    ]


def synthetic_sources(recipe: Recipe) -> list[SourceRecipe]:
    """The pool's sources that a teacher writes. Raises RecipeError where there is none."""
    found = [source for source in recipe.pool.sources if source.synthetic is not None]
    if not found:
        raise RecipeError("no source of the pool has `synthetic:`; see recipes/generated.yaml for one")
    return found


def missing_of(recipe: Recipe, out: Path | None, store: Path | None) -> list[str]:
    """Names of the stages that `generate` would make, as far as can be told without making their inputs."""
    graph = expand(checked(recipe, must_exist=False), selector_traits())
    kept = set(stages_of(graph, synthetic_sources(recipe)))
    return [name for name in missing(graph, store_beside(recipe, out, store)) if name in kept]


def asked_lines(recipe: Recipe) -> list[str]:
    """What teachers would be asked for at least, and what that may cost at most, for people."""
    lines = []
    for source in synthetic_sources(recipe):
        asked = source.synthetic
        assert asked is not None
        requests = math.ceil(asked.examples / asked.problems_per_request)
        programs = round(asked.examples * (asked.irrelevant_share + asked.reworded_share))
        programs += asked.examples * (asked.majority_of - 1) if asked.majority_of else 0
        limit = f", {asked.max_dollars:g} dollars at most" if asked.max_dollars is not None else ""
        lines.append(
            f"{source.name}: about {requests:,} requests for problems and {programs:,} for programs, more where "
            f"answers are of no use{limit}"
        )
    return lines


def stages_of(graph: Graph, sources: Sequence[SourceRecipe]) -> list[str]:
    """The stages of these sources, those of the evaluation sets that they are compared with, and what both rest on."""
    todo, needed = ["tests", *(f"generated.{source.name}" for source in sources)], set[str]()
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += graph.stages[name].inputs.values()
    return [name for name in graph.stages if name in needed]


def publish(source: SourceRecipe, made: Stored, tests: Stored, folder: Path) -> Published:
    """Write the folder of a source; complete or not there."""
    assert source.synthetic is not None
    rows = pq.read_table(made.folder / ROWS).to_pylist()
    facts = masked_tree(
        {
            "name": source.name,
            "licence": source.licence,
            "seeds": {"name": source.synthetic.seeds.name, "licence": source.synthetic.seeds.licence}
            if source.synthetic.seeds
            else None,
            "settings": source.synthetic.model_dump(mode="json", exclude={"seeds"}),
            **read_json(made.folder / COUNTS),
            "seconds": made.artifact.costs["generate"].seconds,
            "near_duplicates": near_duplicates([row["question"] for row in rows]),
            **contamination(source.name, rows, tests),
        }
    )

    def fill(place: Path) -> None:
        for name in (ROWS, ANSWERS):
            shutil.copyfile(made.folder / name, place / name)
        write_json(place / COUNTS, facts)
        (place / CARD).write_text(card(facts, path=str(folder / ROWS)), encoding="utf-8")

    folder.parent.mkdir(parents=True, exist_ok=True)
    write_folder(folder, fill)
    return Published(source.name, folder, facts)


def near_duplicates(questions: Sequence[str]) -> dict[str, int] | None:
    """Questions that nearly equal an earlier one, with the same numbers and with other ones; None without rensa."""
    try:
        from winnow.pool.hygiene.duplicates import Sketches, find_groups
    except ImportError:
        return None
    sketches = Sketches()
    for start in range(0, len(questions), SHARD):
        sketches.add(questions[start : start + SHARD])
    found = find_groups(sketches)
    own = range(len(questions))
    same = sum(int(first) != number for number, first in zip(own, found.near, strict=True))
    masked = sum(int(first) != number for number, first in zip(own, found.masked, strict=True))
    return {"same_numbers": same, "other_numbers": masked - same}


def contamination(name: str, rows: Sequence[dict[str, Any]], tests: Stored) -> dict[str, Any]:
    """For each evaluation set how many of its items stand in these rows, and how many rows hold one, by each rule."""
    from winnow.pool.hygiene.contamination import EvaluationIndex, Hits, Item, Row, table

    items = [Item(each.source, each.id, each.question) for each in read_examples(tests.folder / "tests.parquet")]
    index, hits = EvaluationIndex(items), Hits()
    for start in range(0, len(rows), SHARD):
        part = rows[start : start + SHARD]
        hits.add(
            index.hits(
                [Row(row["request"], (row["question"],), f"{row['question']} {row['rationale']}") for row in part]
            )
        )
    sets = [{"set": each.set, "items": each.items, **each.hits} for each in table(name, hits, items)]
    return {"contamination": sets, "contaminated_rows": {rule: len(found) for rule, found in hits.rows.items()}}


def lines(published: Published) -> list[str]:
    """What came of a source, for people."""
    facts = published.facts
    reasons = Counter(facts["malformed"]) + Counter(facts["left_out"])
    return [
        f"{published.name}: {facts['rows']:,} problems from {facts['requests']:,} requests, "
        f"{facts['prompt_tokens'] + facts['completion_tokens']:,} tokens, {facts['dollars']:.2f} dollars",
        *(f"  left out: {count:,} x {reason}" for reason, count in reasons.most_common()),
        *(
            f"  in {each['set']}: {each['equal_question']:,} of {each['items']:,} items by equal question, "
            f"{each['shared_13']:,} by 13-gram"
            for each in facts["contamination"]
        ),
        f"  card: {published.folder / CARD}",
    ]
