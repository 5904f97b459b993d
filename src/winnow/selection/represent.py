"""The stage `represent`: what selectors see of the examples, made once per pool and model, and charged.

Examples are taken in the order of ids and cut into shards; each finished shard is a file in the stage's folder, so a
killed stage goes on where it was. At the end shards become one array in the order of the pool's parquet file.
Another process may make shards too: `prepare` there, then `make_shard` for those it is to make.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter

from winnow.ledger import total
from winnow.parts import RepresentPart
from winnow.recipe import GIVES, EmbeddingsRecipe, GradientsRecipe, HiddenStatesRecipe
from winnow.records import Context, Outcome, Stored
from winnow.selection.joining import join_counts, join_scores, join_vectors
from winnow.selection.shards import (
    Examples,
    Extractor,
    Shard,
    Tell,
    cut_into_shards,
    leave,
    make_shard,
    read_examples,
    read_notes,
    read_rows,
    silent,
    spread,
)

POOL, TARGET = "train.parquet", "target.parquet"
VECTORS, TARGET_VECTORS = "vectors.npy", "target_vectors.npy"
SCORES, TARGET_SCORES = "scores.npy", "target_scores.npy"
COUNTS, TARGET_COUNTS = "counts.npz", "target_counts.npz"
OUTPUTS = {
    "vectors": {POOL: VECTORS, TARGET: TARGET_VECTORS},
    "scores": {POOL: SCORES, TARGET: TARGET_SCORES},
    "counts": {POOL: COUNTS, TARGET: TARGET_COUNTS},
}
SHARDS = "shards"
FIRST_PASS = "first_pass.npz"
EXTRACTORS = {
    "hidden_states": ("hidden_states", "extractor"),
    "gradients": ("gradients", "extractor"),
    "embeddings": ("embeddings", "extractor"),
    "ngrams": ("ngrams", "extractor"),
    "loss": ("losses", "loss_extractor"),
    "ifd": ("losses", "ifd_extractor"),
    "length": ("plain_scores", "length_extractor"),
    "column": ("plain_scores", "column_extractor"),
}
"""Kind of representation -> module of this room, function."""
SHARD_SIZE = 4096
"""Of kinds that run no model and so have no `shard_size` of their own; their rows do not depend on it."""


@dataclass(frozen=True)
class Work:
    """A representation, ready to be made shard by shard."""

    extractor: Extractor
    examples: dict[str, Examples]
    """By file of the pool."""
    shards: list[Shard]
    folder: Path
    """Where finished shards are left."""

    def make(self, shard: Shard, tell: Tell = silent) -> None:
        """Make a shard, unless it is there."""
        make_shard(self.extractor, self.examples[shard.split], shard, self.folder, tell)

    def paths(self, split: str) -> list[Path]:
        """The files of one split's shards, in order."""
        return [shard.path(self.folder) for shard in self.shards if shard.split == split]


def represent(part: RepresentPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Vectors, scores or counts of each pool example, and of each target example where the pool has a target.

    Whitened by the pool's statistics where the recipe asks for `dimensions`. Inputs: `pool`; for kinds that run a model
    `model`, and `tokenizer` where the pool's tokens are not the model's own.
    """
    import torch

    torch.set_num_threads(part.threads)
    started = perf_counter()
    before = total(read_notes(path)[0] for path in sorted((context.folder / SHARDS).glob("*.npz"))).seconds
    work = prepare(part, inputs, context.folder)
    _make_all(work, context)
    names, width = _join(part, work, context.folder)
    notes = [read_notes(path) for path in sorted(work.folder.glob("*.npz"))]
    shutil.rmtree(work.folder)
    cost = replace(total(cost for cost, _ in notes), seconds=perf_counter() - started + before)
    return Outcome(
        outputs=names,
        numbers={
            "examples": len(work.examples[POOL].order),
            **width,
            "bytes": sum((context.folder / name).stat().st_size for name in names),
            "truncated": sum(truncated for _, truncated in notes),
        },
        costs={"represent": cost},
    )


def prepare(part: RepresentPart, inputs: Mapping[str, Stored], folder: Path) -> Work:
    """All that is needed to make any shard in `folder`; the first pass over the pool, where there is one, is made."""
    drafts = folder / SHARDS
    drafts.mkdir(exist_ok=True)
    module, function = EXTRACTORS[part.representation.kind]
    extractor: Extractor = getattr(import_module(f"winnow.selection.{module}"), function)(part, inputs)
    pool = inputs["pool"].folder
    examples = {
        name: read_examples(pool / name, extractor.columns) for name in (POOL, TARGET) if (pool / name).is_file()
    }
    shard_size = getattr(part.representation, "shard_size", SHARD_SIZE)
    shards = [
        shard
        for name, each in examples.items()
        for shard in cut_into_shards(name, len(each.order), shard_size=shard_size)
    ]
    first = extractor.first_pass
    if first is not None:
        path = drafts / FIRST_PASS
        if not path.is_file():
            leave(path, lambda: first.compute(spread(examples[POOL], first.examples), silent))
        extractor = first.then(read_rows(path))
    return Work(extractor, examples, shards, drafts)


def _make_all(work: Work, context: Context) -> None:
    """Make all shards that are missing, in order."""
    everything = sum(len(each.order) for each in work.examples.values())
    done = 0
    for shard in work.shards:

        def tell(inside: int, shard: Shard = shard, done: int = done) -> None:
            context.progress.update(done + inside, everything, f"examples of {shard.split}")

        work.make(shard, tell)
        done += shard.stop - shard.start
        context.progress.update(done, everything, f"examples of {shard.split}")


def _join(part: RepresentPart, work: Work, folder: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    """Write the arrays; gives their names, and their width by the word for it."""
    recipe = part.representation
    outputs = OUTPUTS[GIVES[recipe.kind]]
    orders = {folder / outputs[name]: each.order for name, each in work.examples.items()}
    paths = {folder / outputs[name]: work.paths(name) for name in work.examples}
    names = tuple(path.name for path in paths)
    if isinstance(recipe, HiddenStatesRecipe | GradientsRecipe | EmbeddingsRecipe):
        width = join_vectors(
            paths, orders, fitted_on=folder / VECTORS, dimensions=recipe.dimensions, dtype=recipe.dtype
        )
        return names, {"dimensions": width}
    if recipe.kind == "ngrams":
        join_counts(paths, orders)
        return names, {"buckets": recipe.buckets}
    join_scores(paths, orders)
    return names, {}
