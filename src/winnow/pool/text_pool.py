"""The stage that looks at all sources of plain text together: what they hold, and whether it is enough."""

import time
from collections.abc import Mapping
from typing import Any

from winnow.errors import DataError
from winnow.parts import TextPoolPart
from winnow.pool.shared_documents import shared_documents
from winnow.pool.stages import DOCUMENTS, STATISTICS, cost_since
from winnow.records import Context, Outcome, Stored
from winnow.store import write_json

SIZES = "sizes.json"


def make_text_pool(part: TextPoolPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves `sizes.json`, tokens and documents of each source, and statistics.

    Raises DataError where a source does not fill one row.
    """
    started = time.perf_counter()
    names = [source.name for source in part.sources]
    for name in names:
        tokens = inputs[f"tokens.{name}"].numbers["tokens"]
        if tokens < part.context_tokens:
            raise DataError(
                f"source {name!r} has {tokens:,} tokens to train on, less than one row of {part.context_tokens:,} "
                "(pool.text.context_tokens); give more text, or leave the source out"
            )
    sources = [_statistics(source.name, source.licence, inputs) for source in part.sources]
    keys = "name", "tokens", "documents", "bytes"
    write_json(context.folder / SIZES, [{key: row[key] for key in keys} for row in sources])
    shared = shared_documents({name: inputs[f"documents.{name}"].folder / DOCUMENTS for name in names})
    statistics = {"sources": sources, "shared": shared} | {
        key: sum(row[key] for row in sources) for key in ("tokens", "documents", "bytes", "overlaps")
    }
    write_json(context.folder / STATISTICS, statistics)
    numbers = {key: statistics[key] for key in ("tokens", "documents", "bytes")}
    return Outcome((SIZES,), logs=(STATISTICS,), numbers=numbers, costs=cost_since(started, "pool"))


def _statistics(name: str, licence: str, inputs: Mapping[str, Stored]) -> dict[str, Any]:
    """What became of a source's documents, and what of them is trained on."""
    read, kept = inputs[f"documents.{name}"].numbers, inputs[f"tokens.{name}"].numbers
    reading = {key: read[key] for key in ("read", "repeats", "overlaps", "found_by_set", "dropped_by_reason")}
    left_out = read["documents"] - kept["documents"] - kept["validation_documents"]
    sizes = {key: value for key, value in kept.items() if key != "source"}
    return {"name": name, "licence": licence} | reading | {"left_out": left_out} | sizes
