"""The stages of this room: evaluation sets, text for pretraining, and the pool.

Each takes its part of the recipe, the artifacts it rests on and a context, writes files into `context.folder`, and
gives back what it left.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from winnow.columns import array_of
from winnow.errors import DataError, RecipeError
from winnow.parts import CorpusPart, PoolPart, TestsPart
from winnow.pool.cleaning import keys_by_set, keys_from_table, keys_table, remove_overlaps, sample, without
from winnow.pool.encoding import Tokenised, pool_table, tokenise
from winnow.pool.hygiene.dropping import CONTAMINATIONS, Dropping, dropping_of
from winnow.pool.loading import is_text, load_documents, load_examples
from winnow.pool.planting import plant
from winnow.pool.shards import sorted_shards
from winnow.pool.splits import choose_target, hold_out_half, of_the_targets_kind, split_validation
from winnow.pool.statistics import SourceTally, Splits, pool_statistics, tests_statistics
from winnow.recipe import PoolRecipe, SourceRecipe
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.chat import RowTokens
from winnow.text.chat_templates import TEMPLATE
from winnow.text.examples import QUESTION_COPIES, Example, to_table, write_table
from winnow.text.tokenizers import tokenizer_of

TESTS, KEYS, DOCUMENTS, STATISTICS = "tests.parquet", "keys.parquet", "documents.parquet", "statistics.json"
TEXTS = "texts.parquet"
TRAIN, VALIDATION, TARGET = "train.parquet", "validation.parquet", "target.parquet"
TARGET_VALIDATION = "target_validation.parquet"
DOCUMENT_SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string())])
FIXED_SEED = 0
"""Draws `limit` of evaluation sets and of pretraining text, which have no seed of their own."""

Inputs = Mapping[str, Stored]


def make_tests(part: TestsPart, inputs: Inputs, context: Context) -> Outcome:
    """Leaves the evaluation sets, one after the other, each sorted by id, their statistics, and their questions' keys.

    The keys are of all questions, also those that `limit` leaves out: what may be trained on must not depend on how
    many items are scored. The chat template that the recipe gives is left beside them.
    """
    started = time.perf_counter()
    check_names(part.sets, "evaluation.sets")
    sets, keys = [], dict[str, set[str]]()
    for number, source in enumerate(part.sets):
        context.progress.update(number, len(part.sets), source.name)
        loaded = load_examples(source, inputs, completion=part.completion)
        keys |= keys_by_set(loaded.examples)
        sets.append(replace(loaded, examples=draw(loaded.examples, source.limit, FIXED_SEED)))
    examples = [example for loaded in sets for example in loaded.examples]
    write_table(to_table(examples), context.folder / TESTS)
    write_table(keys_table(keys), context.folder / KEYS)
    statistics = tests_statistics(sets, keys)
    write_json(context.folder / STATISTICS, statistics)
    numbers = {"items": len(examples), "sets": {name: row["items"] for name, row in statistics["sets"].items()}}
    texts = () if not part.text else _leave_texts(part, inputs, context)
    outputs = (TESTS, KEYS, STATISTICS, *texts, *leave_template(part.chat_template, context))
    return Outcome(outputs, numbers=numbers, costs=cost_since(started, "tests"))


def _leave_texts(part: TestsPart, inputs: Inputs, context: Context) -> tuple[str, ...]:
    """Write the documents of the sets of plain text, sorted by set and id; the name of their file."""
    check_names(part.text, "evaluation.text")
    rows = []
    for source in part.text:
        drawn = sample(load_documents(source, inputs), source.limit, seed=FIXED_SEED, identity=lambda it: it[0])
        rows += [(identity, source.name, text) for identity, text in sorted(drawn)]
    columns = [array_of(values, pa.string()) for values in zip(*rows, strict=True)]
    write_table(pa.Table.from_arrays(columns, schema=DOCUMENT_SCHEMA), context.folder / TEXTS)
    return (TEXTS,)


def leave_template(template: str | None, context: Context) -> tuple[str, ...]:
    """Write the chat template, if there is one; the name of its file."""
    if template is None:
        return ()
    (context.folder / TEMPLATE).write_text(template, encoding="utf-8")
    return (TEMPLATE,)


def kept_keys(inputs: Inputs) -> dict[str, set[str]]:
    """Evaluation set -> keys of all its questions."""
    return keys_from_table(pq.read_table(inputs["tests"].folder / KEYS))


def make_corpus(part: CorpusPart, inputs: Inputs, context: Context) -> Outcome:
    """Leaves the documents, sorted by id; questions and answers become text, but for those of an evaluation set.

    Plain documents are not searched for questions.
    """
    started = time.perf_counter()
    check_names(part.sources, "base.pretrain.sources")
    keys = kept_keys(inputs)
    documents, removed, dropped = [], Counter[str](), Counter[str]()
    for number, source in enumerate(part.sources):
        context.progress.update(number, len(part.sources), source.name)
        if is_text(source):
            found = load_documents(source, inputs, dropped)
        else:
            loaded = load_examples(source, inputs)
            dropped.update(loaded.dropped)
            cleaned = remove_overlaps(loaded.examples, keys)
            removed[source.name] = len(loaded.examples) - len(cleaned.kept)
            found = [(each.id, each.prompt + each.completion) for each in cleaned.kept]
        drawn = sample(found, source.limit, seed=FIXED_SEED, identity=lambda document: document[0])
        documents += [(identity, source.name, text) for identity, text in drawn]
    if not documents:
        raise DataError("the text for pretraining is empty: all of it stands in evaluation sets; add other sources")
    ids, names, texts = zip(*sorted(documents), strict=True)
    write_table(pa.table([ids, names, texts], schema=DOCUMENT_SCHEMA), context.folder / DOCUMENTS)
    numbers = {
        "documents": len(documents),
        "characters": sum(map(len, texts)),
        "removed_overlaps_total": removed.total(),
        "sources": dict(Counter(names)),
    } | ({"dropped_by_reason": dict(dropped)} if dropped else {})
    return Outcome((DOCUMENTS,), numbers=numbers, costs=cost_since(started, "corpus"))


def make_pool(part: PoolPart, inputs: Inputs, context: Context) -> Outcome:
    """Leaves train, validation, target and target validation splits with their tokens, sorted by id, and statistics.

    The same rows in another order give the same files. The statistics do not define the pool: they also tell in which
    evaluation sets removed rows stand, and another set may leave the pool as it is. Raises DataError where nothing is
    left to train on.
    """
    started = time.perf_counter()
    recipe, tokenizer = part.pool, tokenizer_of(inputs["tokenizer"])
    keys = kept_keys(inputs)
    dropping = dropping_of(recipe.hygiene, inputs["hygiene"]) if recipe.hygiene else None
    tallies, drawn = read_pool(recipe, inputs, keys, context, dropping)
    context.progress.update(len(tallies), len(tallies) + 1, "tokens")
    pool = tokenise(drawn, tokenizer, recipe)
    own = tokenise(own_target(recipe, inputs, keys), tokenizer, recipe)
    tally_tokens(tallies, pool)
    splits = split_pool(recipe, pool.examples, own.examples, keys, validates_target=part.validates_target)
    tokens = pool.tokens | own.tokens
    if recipe.plant is not None:
        noisy = plant_noise(recipe, splits.train, tokens, inputs, keys)
        splits, tokens = replace(splits, train=noisy.examples), tokens | noisy.tokens
    files = {
        TRAIN: splits.train, VALIDATION: splits.validation, TARGET: splits.target,
        TARGET_VALIDATION: splits.target_validation,
    }  # fmt: skip
    files = {name: examples for name, examples in files.items() if examples}
    for name, examples in files.items():
        table = pool_table(examples, tokens)
        if dropping is not None:
            table = table.append_column(QUESTION_COPIES, pa.array(dropping.question_copies(examples), pa.int32()))
        write_table(table, context.folder / name)
    statistics = pool_statistics(tallies, splits, tokens, target_is_own=bool(own.examples))
    write_json(context.folder / STATISTICS, statistics)
    numbers = {name: value for name, value in statistics.items() if isinstance(value, int | float)}
    outputs = (*files, *leave_template(recipe.chat_template, context))
    return Outcome(outputs, logs=(STATISTICS,), numbers=numbers, costs=cost_since(started, "pool"))


def read_pool(
    recipe: PoolRecipe, inputs: Inputs, keys: Mapping[str, set[str]], context: Context, dropping: Dropping | None
) -> tuple[list[SourceTally], list[Example]]:
    """What became of each source's rows, and the examples that stay, sorted by id.

    With `dropping`, what it drops is dropped; else the rows that ask a question of an evaluation set are. Sources pass
    in shards: only what stays after `limit` and `sample` is held in memory.
    """
    check_names(recipe.sources, "pool.sources")
    tallies, examples = [], list[Example]()
    for number, source in enumerate(recipe.sources):
        context.progress.update(number, len(recipe.sources) + 1, source.name)
        size = min((each for each in (source.limit, recipe.sample) if each is not None), default=None)
        with sorted_shards(source, inputs, context.folder / "shards", completion=recipe.completion) as read:
            tally = SourceTally(source, read.read, Counter(read.dropped), {}, 0)
            drawn = draw_of_shards(clean_shards(read.shards, tally, keys, dropping), size, recipe.seed)
        tallies.append(tally)
        examples = draw([*examples, *drawn], recipe.sample, recipe.seed)
    return tallies, sorted(examples, key=lambda example: example.id)


def clean_shards(
    shards: Iterable[list[Example]], tally: SourceTally, keys: Mapping[str, set[str]], dropping: Dropping | None
) -> Iterator[list[Example]]:
    """Of each shard of a source the examples that stay; why the others do not is entered into `tally`."""
    overlaps = Counter[str]()
    for examples in shards:
        cleaned = remove_overlaps(examples, keys)
        kept, removed = cleaned.kept, len(examples) - len(cleaned.kept)
        overlaps.update(cleaned.removed)
        if dropping is not None:
            kept, reasons = dropping.keep(tally.source.name, examples)
            removed = sum(reasons.pop(reason, 0) for reason in CONTAMINATIONS)
            tally.dropped += reasons
        tally.removed_overlaps += removed
        tally.overlaps = dict(overlaps) if tally.removed_overlaps else {}
        yield kept


def draw_of_shards(shards: Iterable[list[Example]], size: int | None, seed: int) -> list[Example]:
    """What `draw` gives of all shards together; holds about twice as many examples meanwhile."""
    kept: list[Example] = []
    for examples in shards:
        kept += examples
        if size is not None and len(kept) > 2 * size:
            kept = draw(kept, size, seed)
    return draw(kept, size, seed)


def own_target(recipe: PoolRecipe, inputs: Inputs, keys: Mapping[str, set[str]]) -> list[Example]:
    """The target from a file of the user's own, without what stands in evaluation sets; none where there is no file."""
    source = recipe.target.source if recipe.target else None
    if source is None:
        return []
    cleaned = remove_overlaps(load_examples(source, inputs, completion=recipe.completion).examples, keys)
    if not cleaned.kept:
        raise DataError(f"all of the target {source.name!r} stands in evaluation sets; give training data instead")
    return draw(cleaned.kept, source.limit, recipe.seed)


def plant_noise(
    recipe: PoolRecipe,
    train: Sequence[Example],
    taken: Mapping[str, RowTokens],
    inputs: Inputs,
    keys: Mapping[str, set[str]],
) -> Tokenised:
    """The training rows with `pool.plant` carried out; planted rows never ask a question of an evaluation set.

    Off-topic rows are drawn from those that fit into `max_tokens`; a wrong answer that no longer fits is cut.
    """
    assert recipe.plant is not None
    tokenizer, source = tokenizer_of(inputs["tokenizer"]), recipe.plant.off_topic_source
    off_topic: list[Example] = []
    if source is not None:
        loaded = load_examples(source, inputs, completion=recipe.completion)
        kept = draw(remove_overlaps(loaded.examples, keys).kept, source.limit, recipe.plant.seed)
        off_topic = tokenise(kept, tokenizer, recipe.model_copy(update={"too_long": "drop"})).examples
    noisy = plant(train, recipe.plant, off_topic, completion=recipe.completion, taken=taken)
    return tokenise(noisy, tokenizer, recipe.model_copy(update={"too_long": "truncate"}))


def split_pool(
    recipe: PoolRecipe,
    examples: Sequence[Example],
    own: Sequence[Example],
    keys: Mapping[str, set[str]],
    *,
    validates_target: bool = False,
) -> Splits:
    """The pool's examples after target and validation are set aside; neither shares a question with train.

    Neither the target nor what is held out of its kind asks a question of an evaluation set, even where `pool.hygiene`
    leaves such rows in the pool.
    """
    if not examples:
        raise DataError("the pool is empty: all rows were dropped or stand in evaluation sets; see pool.sources")
    target = list(own)
    if recipe.target and recipe.target.per_source:
        candidates = remove_overlaps(examples, keys).kept if recipe.hygiene else examples
        target = choose_target(candidates, recipe.target.per_source, seed=recipe.seed)
    if recipe.target and not target:
        raise DataError(f"no example of pool.target has at most {recipe.max_tokens} tokens; raise pool.max_tokens")
    train, validation = split_validation(without(examples, target), recipe)
    if not validates_target or recipe.target is None:
        return Splits(train, validation, target)
    if recipe.target.per_source is None:
        return Splits(train, validation, *hold_out_half(target, recipe))
    clean = remove_overlaps(validation, keys).kept if recipe.hygiene else validation
    return Splits(train, validation, target, of_the_targets_kind(clean, recipe.target.per_source, seed=recipe.seed))


def tally_tokens(tallies: Sequence[SourceTally], pool: Tokenised) -> None:
    """Enter what the policy on long examples did."""
    for tally in tallies:
        tally.dropped += pool.dropped.get(tally.source.name, Counter())
        tally.truncated = pool.truncated.get(tally.source.name, 0)


def draw(examples: Sequence[Example], size: int | None, seed: int) -> list[Example]:
    """A seeded sample of so many examples."""
    return sample(examples, size, seed=seed, identity=lambda example: example.id)


def check_names(sources: Sequence[SourceRecipe], key: str) -> None:
    """Raises RecipeError where two sources share a name: tables and ids could not tell them apart."""
    twice = [name for name, times in Counter(source.name for source in sources).items() if times > 1]
    if twice:
        raise RecipeError(f"{key} has two sources named {twice[0]!r}; give each a name of its own")


def cost_since(started: float, meter: str) -> dict[str, Cost]:
    """The seconds since then, under the name of a meter."""
    return {meter: Cost(seconds=time.perf_counter() - started)}
