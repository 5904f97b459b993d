"""The stage that turns the documents of a source into tokens, once for all arms, seeds and proxies.

The first documents, which are a random sample, are held out for validation, and the next ones trained on. They are read
a few MB at a time, and their tokens are written as they come, so that memory does not grow with the source.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from winnow.columns import array_of
from winnow.errors import DataError
from winnow.parts import TokensPart
from winnow.pool.documents import SCHEMA, Document, read_in_batches
from winnow.pool.stages import DOCUMENTS, VALIDATION, cost_since
from winnow.records import Context, Outcome, Stored
from winnow.text.examples import write_table
from winnow.text.token_cache import DOCUMENT_STARTS, TOKENS, dtype_for, write_cache
from winnow.text.tokenizers import encode_documents, eos_id, tokenizer_of, vocabulary_of


def make_tokens(part: TokensPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves the tokens of what is trained on, as `TokenCache` reads them, and `validation.parquet`: `id`, `text`.

    An end token stands after each document, and counts. Raises DataError where nothing is left to train on.
    """
    started, tokenizer = time.perf_counter(), tokenizer_of(inputs["tokenizer"])
    splits = Splits(part, inputs["documents"].folder / DOCUMENTS, tokenizer, eos_id(tokenizer))
    documents, tokens = write_cache(context.folder, splits.trained(), dtype_for(vocabulary_of(tokenizer)))
    name, held_out = inputs["documents"].numbers["source"], splits.validation
    if not tokens:
        raise DataError(
            f"source {name!r} has {splits.validation_tokens:,} tokens in {len(held_out):,} documents, all of which are "
            f"held out (pool.text.validation_tokens is {part.validation_tokens:,}); lower it, or give more text"
        )
    columns = [array_of(values, pa.string()) for values in zip(*held_out, strict=True)]
    write_table(pa.Table.from_arrays(columns, schema=SCHEMA), context.folder / VALIDATION)
    numbers = {
        "source": name, "tokens": tokens, "documents": documents, "bytes": splits.bytes,
        "validation_tokens": splits.validation_tokens, "validation_documents": len(held_out),
        "validation_bytes": sum(len(text.encode()) for _, text in held_out),
    }  # fmt: skip
    outputs = (TOKENS, DOCUMENT_STARTS, VALIDATION)
    return Outcome(outputs, numbers=numbers, costs=cost_since(started, "tokens"))


class Splits:
    """The documents of a source, read once: some held out, some trained on."""

    def __init__(self, part: TokensPart, path: Path, tokenizer: Any, end: int) -> None:
        self.part, self.path, self.tokenizer, self.end = part, path, tokenizer, end
        self.validation: list[Document] = []
        self.validation_tokens = self.tokens = self.bytes = 0

    def trained(self) -> Iterator[NDArray[np.uint32]]:
        """The tokens of each document that is trained on; what is held out is noted on the way."""
        limit = self.part.limit_tokens
        for batch in read_in_batches(self.path):
            encoded = encode_documents(self.tokenizer, [text for _, text in batch])
            for (identity, text), ids in zip(batch, encoded, strict=True):
                if self.validation_tokens < self.part.validation_tokens:
                    self.validation.append((identity, text))
                    self.validation_tokens += len(ids)
                    continue
                if limit is not None and self.tokens >= limit:
                    return
                self.tokens, self.bytes = self.tokens + len(ids) + 1, self.bytes + len(text.encode())
                yield np.array([*ids, self.end], dtype=np.uint32)
