"""Finished checkpoints that others trained, scored on a recipe's evaluation sets and compared.

    found = compare_checkpoints("models", load_recipe("recipes/gsm-cpu.yaml"), baseline="full")

`models` holds a folder per run, named <arm>_s<seed>: a model or an adapter with its tokenizer, as transformers and PEFT
save them. Scores stay in the store, so that a checkpoint that was scored once is not scored again.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from winnow.analysis.given_runs import GivenRun, Items, Point, Question, judge_given
from winnow.analysis.item_records import read_items
from winnow.analysis.items import ItemScores
from winnow.analysis.scores import Final
from winnow.compare_api.compare import Compared
from winnow.compare_api.rows import check_names
from winnow.errors import DataError, RecipeError
from winnow.pipeline import store_beside
from winnow.recipe.arguments import AnyPath, FolderPath, Text, checks_arguments
from winnow.recipe.file import AnyRecipe, as_recipe
from winnow.records import Stored, from_json
from winnow.store import read_json
from winnow.verbs.scored import Key, score, scores_of
from winnow.walk import Watch, Watching

NAME = re.compile(r"(?P<arm>.+)_s(?P<seed>\d+)")


@checks_arguments(RecipeError)
def compare_checkpoints(
    folder: AnyPath,
    recipe: AnyRecipe,
    *,
    baseline: Text,
    metric: Text = "loss",
    aggregate: Text = "micro",
    primary: Text | None = None,
    out: FolderPath | None = None,
    store: FolderPath | None = None,
    watch: Watching | None = None,
) -> Compared:
    """Score every checkpoint in the folder, and compare each arm with the baseline over seeds and items.

    `metric` is one that the recipe measures, `aggregate` micro, macro or an evaluation set. Intervals are corrected
    for the number of arms; `primary` stands uncorrected. Of the recipe only the evaluation is used, and nothing is
    trained. Raises WinnowError.
    """
    recipe, folders = as_recipe(recipe), checkpoint_folders(Path(folder))
    named = {key: str(place) for key, place in folders.items()}
    walk = score(recipe, named, store_beside(recipe, out, store), watch or Watch())
    scored = {key: scores_of(walk, key) for key in folders}
    finals = {
        key: from_json(Final, read_json(stored.folder / "evaluation_last.json")) for key, stored in scored.items()
    }
    runs = [_run(key, final, aggregate) for key, final in finals.items()]
    check_names(runs, metric=metric, arms={"baseline": baseline, "primary": primary})
    known = {name: each for final in finals.values() for name, each in final.known.items()}
    question = Question(
        metric=metric, baseline=baseline, directions={name: each.higher_is_better for name, each in known.items()},
        primary=primary, checkpoint="", confidence=recipe.study.confidence, aggregate=aggregate, known=known[metric],
    )  # fmt: skip
    return Compared(judge_given(runs, question, _items(scored, metric)))


def checkpoint_folders(folder: Path) -> dict[Key, Path]:
    """By arm and seed. Raises DataError where no folder in it is named <arm>_s<seed>."""
    named = [(NAME.fullmatch(each.name), each) for each in sorted(folder.glob("*")) if each.is_dir()]
    found = {(match["arm"], int(match["seed"])): each for match, each in named if match}
    if not found:
        raise DataError(f"{folder} holds no checkpoints; put each run into a folder of its own, named <arm>_s<seed>")
    return found


def _run(key: Key, final: Final, aggregate: str) -> GivenRun:
    known = final.levels
    if aggregate not in known:
        raise RecipeError(f"aggregate is {aggregate!r}; the evaluation has {', '.join(known)}")
    return GivenRun(*key, {name: (Point(0.0, value, None),) for name, value in known[aggregate].items()})


def _items(scored: Mapping[Key, Stored], metric: str) -> Items:
    found: dict[str, dict[int, ItemScores]] = {}
    for (arm, seed), stored in scored.items():
        found.setdefault(arm, {})[seed] = read_items(stored.folder / "items_last.parquet", metric)
    return found
