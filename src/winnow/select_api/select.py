"""Select rows for any trainer.

    import winnow

    selection = winnow.select(rows, selector="herding", model="openai-community/gpt2", fraction=0.1)
    train(selection.apply(rows))

It runs the stages that a study runs, on the rows that it is given.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.errors import RecipeError
from winnow.ledger import SELECTION_METERS, metered, total
from winnow.parts import RepresentPart, RowsPart
from winnow.pool.rows import TARGET, TRAIN
from winnow.recipe.arguments import (
    Count,
    FolderPath,
    Fraction,
    ModelName,
    Must,
    Options,
    Seed,
    Text,
    Threads,
    checks_arguments,
)
from winnow.records import Stage, Stored
from winnow.select_api.asked import Asked, Given, SizedBy, check, recipe_of
from winnow.select_api.candidates import Candidates, columns_of, question_keys, write_candidates
from winnow.select_api.given import GivenRows, open_rows
from winnow.select_api.selection import Selection
from winnow.select_api.shapes import OTHER_PARTS, Shape, find_columns, find_shape, laid_out_shape
from winnow.selection import registry
from winnow.selection.represent import SCORES
from winnow.selection.stages import SELECTION, SELECTION_SUMMARY
from winnow.selection.views import IntArray
from winnow.store import Store, hash_tree, read_json
from winnow.study.graph import expand
from winnow.text.tokenizers import load_tokenizer
from winnow.walk import Watch, Watching, walk_stages, wanted

MAX_TOKENS = 512
REPRESENTATION = "be a name, such as 'gradients', or fields, such as {'kind': 'hidden_states', 'layer': 4}"
SCORE = "be a name, such as 'loss', the name of a column, or fields, such as {'kind': 'loss'}"
OVERLAP, IN_TARGET = "question stands in the evaluation rows", "question stands in the target"
TOO_LONG = "the prompt fills max_tokens"


@checks_arguments(RecipeError)
def select(
    dataset: Any,
    *,
    selector: Text = "herding",
    fraction: Fraction | None = None,
    size: Count | None = None,
    tokens: Count | None = None,
    model: ModelName | None = None,
    target: Any = None,
    evaluation: Any = None,
    representation: Annotated[Given, Must(REPRESENTATION)] | None = None,
    score: Annotated[Given, Must(SCORE)] | None = None,
    options: Options | None = None,
    columns: Annotated[Mapping[str, Text], Must("be part -> column, such as {'prompt': 'question'}")] | None = None,
    format: Text | None = None,
    prompt: Text | None = None,
    completion: Text | None = None,
    split: Text = "train",
    max_tokens: Count = MAX_TOKENS,
    threads: Threads = 1,
    seed: Seed = 0,
    store: FolderPath | None = None,
    watch: Watching | None = None,
) -> Selection:
    """Choose rows of a data set: a `fraction` of the candidates, a `size` in rows, or a number of `tokens`.

    Args:
        dataset: a datasets.Dataset, a list of dicts, an Arrow table, a path (Parquet, JSONL, ..., globs too) or
            `hf://owner/name`, of which `split` is read. Shapes of rows: see `winnow.select_api.shapes`.
        selector: `winnow select --list` names them; `options` are its own.
        fraction: in (0, 1]. Exactly one of the three, unless the selector brings its own size.
        size: rows.
        tokens: of the model's tokenizer; without a model, words. The last row may exceed it.
        model: folder or hub name of a causal language model; where the selector sees hidden states, gradients or
            losses it needs one.
        target: rows that a targeted selector aims at: training data, never evaluation data. Rows of the data set
            that ask a question of these are no candidates.
        evaluation: rows whose questions are removed from data set and target first, and counted.
        representation: a name, such as `gradients`, or fields as in a recipe: `{"kind": "hidden_states", "layer": 4}`.
        score: likewise, such as `loss`; any other name is a column of numbers in the data set.
        columns: part -> column where names do not tell: prompt, completion, question, answer, messages, text; and
            `source`, by which selectors and composition tell rows apart, and `id`.
        format: of the rows, as a recipe names it: alpaca, sharegpt, chat, prompt_completion, gsm8k, aqua_rat, ...
        prompt: or what the model is given, with columns in braces: "{instruction}\\n\\n{context}\\n\\n".
        completion: and what it shall say, likewise: "{response}".
        split: of a hub data set.
        max_tokens: longest row that the model reads; the end of longer ones is cut for scoring alone.
        threads: of the CPU; the last bits of scores depend on it.
        seed: of selectors that draw.
        store: folder in which representations are kept, so that the next call with the same rows and model finds them.
        watch: is told how far it is.

    Raises RecipeError and DataError in one line. The same rows in another order give the same selection.
    """
    asked = Asked(
        selector, options or {}, None if model is None else str(model), representation, score,
        target is not None, seed, threads,
    )  # fmt: skip
    check(asked)
    _check_size(asked, {"fraction": fraction, "size": size, "tokens": tokens})
    layout = {"format": format, "prompt": prompt, "completion": completion}
    rows = _Rows(asked, dict(columns or {}), layout, open_rows(dataset, "dataset", split=split))
    with tempfile.TemporaryDirectory(prefix="winnow-") as place:
        shelf, given = Store(store if store is not None else Path(place, "store")), Path(place, "given")
        given.mkdir()
        pool = _pool_stage(rows, given, target, evaluation, max_tokens)
        walker = _Walker(asked, pool.stage, shelf, watch or Watch())
        made = walker.walk("rows")["pool"]
        unit: SizedBy = "examples" if tokens is None else "tokens"
        done = walker.walk("select", _fraction(made, fraction, size, tokens), unit)
        return _selection(asked, rows.given, pool.candidates, done)


@dataclass(frozen=True)
class _Rows:
    """The data set, and how it is read."""

    asked: Asked
    columns: dict[str, str]
    layout: dict[str, str | None]
    """How a recipe would read the rows, where that was said."""
    given: GivenRows

    def shape(self, given: GivenRows, what: str) -> Shape:
        """How rows are read. Raises RecipeError and DataError where that does not fit them."""
        named = self.columns if given is self.given else _those_in(self.columns, given)
        if not any(self.layout.values()) or not self._has_layout(given):
            return _with_template(find_shape(given.columns, named, what), self.asked)
        if parts := named.keys() - set(OTHER_PARTS):
            raise RecipeError(f"columns names {min(parts)!r} beside format, prompt or completion; leave one out")
        find_columns(given.columns, named, what)
        return _with_template(laid_out_shape(given.columns, self.layout, what), self.asked)

    def _has_layout(self, given: GivenRows) -> bool:
        """Whether rows beside the data set have all its columns that are read, and so are read like it."""
        if given is self.given:
            return True
        read = laid_out_shape(self.given.columns, self.layout, "dataset").columns
        return set(read) <= set(given.columns)


@dataclass(frozen=True)
class _Pool:
    stage: Stage
    candidates: Candidates


def _check_size(asked: Asked, sizes: dict[str, float | None]) -> None:
    given = [name for name, value in sizes.items() if value is not None]
    if not asked.traits.takes_fraction:
        if given:
            raise RecipeError(f"{asked.selector} brings its own size; leave {given[0]} out")
        return
    if len(given) != 1:
        raise RecipeError(
            f"{asked.selector} was given {' and '.join(given) or 'no size'}; give one of {', '.join(sizes)}"
        )


def _pool_stage(rows: _Rows, place: Path, target: Any, evaluation: Any, max_tokens: int) -> _Pool:
    """Write candidates and target; the stage that makes a pool of them."""
    asked = rows.asked
    unwanted: dict[str, set[str]] = {}
    if evaluation is not None:
        unwanted[OVERLAP] = question_keys(*_read(rows, evaluation, "evaluation"))
    if target is not None:
        given, shape = _read(rows, target, "target")
        columns = columns_of(given, _those_in(rows.columns, given), asked.score_columns, "target")
        write_candidates(given, shape, columns, place / TARGET, what="target", unwanted=unwanted)
        unwanted[IN_TARGET] = question_keys(given, shape)
    shape = rows.shape(rows.given, "dataset")
    columns = columns_of(rows.given, rows.columns, asked.score_columns, "dataset")
    found = write_candidates(rows.given, shape, columns, place / TRAIN, what="dataset", unwanted=unwanted)
    names = [path.name for path in sorted(place.iterdir())]
    part = RowsPart(given=str(place), contents=hash_tree(place, names), max_tokens=max_tokens if asked.model else None)
    return _Pool(Stage("pool", "rows", part, {"tokenizer": "base"} if asked.model else {}), found)


def _read(rows: _Rows, data: Any, what: str) -> tuple[GivenRows, Shape]:
    """Rows that stand beside the data set, read like it where their columns are its."""
    given = open_rows(data, what)
    return given, rows.shape(given, what)


def _those_in(columns: dict[str, str], given: GivenRows) -> dict[str, str]:
    return {part: name for part, name in columns.items() if name in given.columns}


def _with_template(shape: Shape, asked: Asked) -> Shape:
    return shape if asked.model is None else replace(shape, tokenizer=load_tokenizer(asked.model))


@dataclass(frozen=True)
class _Walker:
    """Makes stages of the study that would select like this, on the given rows."""

    asked: Asked
    pool: Stage
    store: Store
    watch: Watch

    def walk(self, until: str, fraction: float | None = None, sized_by: SizedBy = "examples") -> dict[str, Stored]:
        """The artifacts of the stages of this kind and of all that they rest on, by name."""
        recipe = recipe_of(self.asked, fraction=fraction, sized_by=sized_by)
        graph = expand(recipe, registry.traits())
        graph = replace(graph, stages=graph.stages | {"pool": self.pool})
        names = wanted(graph, until=(until,))
        if self.asked.model is None and "base" in names:
            parts = [graph.stages[name].part for name in names]
            needed = ", ".join(each.representation.kind for each in parts if isinstance(each, RepresentPart))
            raise RecipeError(f"{self.asked.selector} needs a model's view of the rows ({needed}); give model=")
        return walk_stages(graph, recipe, self.store, names, self.watch).done


def _fraction(pool: Stored, fraction: float | None, size: int | None, tokens: int | None) -> float | None:
    """What was asked for over what there is. Raises RecipeError where it is more."""
    for asked, unit in ((size, "examples"), (tokens, "tokens")):
        if asked is not None:
            if asked > pool.numbers[unit]:
                raise RecipeError(f"{asked} {unit} are more than the candidates' {pool.numbers[unit]}; lower it")
            return asked / pool.numbers[unit]
    return fraction


def _selection(asked: Asked, given: GivenRows, candidates: Candidates, done: Mapping[str, Stored]) -> Selection:
    chosen = next(stored for stored in done.values() if stored.artifact.kind == "select")
    table, summary = pq.read_table(chosen.folder / SELECTION), read_json(chosen.folder / SELECTION_SUMMARY)
    pool = pq.read_table(done["pool"].folder / TRAIN, columns=["id", "source"])
    ids = table["id"].combine_chunks()
    rows = pc.index_in(ids, value_set=pool["id"].combine_chunks())
    removed = candidates.removed | {TOO_LONG: done["pool"].numbers["dropped"]}
    return Selection(
        indices=candidates.rows_of(ids),
        ids=ids.to_pylist(),
        sources=pool["source"].take(rows).to_pylist(),
        scores=_scores(done, rows.to_numpy()),
        weights=table["weight"].to_numpy() if "weight" in table.column_names else None,
        cost=total(metered(stored.artifact, SELECTION_METERS) for stored in done.values()),
        composition=summary["composition"],
        selector=asked.selector,
        fraction=summary["fraction"],
        seed=asked.seed,
        options=dict(asked.options),
        candidates=summary["pool_size"],
        removed={reason: count for reason, count in removed.items() if count},
        numbers={name: summary[name] for name in ("mean_tokens", "pool_mean_tokens", "mmd_ratio")},
        given=given,
    )


def _scores(done: Mapping[str, Stored], rows: IntArray) -> NDArray[np.float64] | None:
    made = [stored.folder / SCORES for stored in done.values() if (stored.folder / SCORES).is_file()]
    return np.load(made[0])[rows] if made else None
