"""The stage that trains a tokenizer on a corpus or on the sources of plain text, or takes that of a model."""

import time
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from winnow.parts import TokenizerPart
from winnow.pool.stages import DOCUMENTS, Inputs, cost_since
from winnow.recipe import GivenTokenizerRecipe
from winnow.records import Context, Outcome, Stored
from winnow.text.tokenizers import TOKENIZER, load_tokenizer, train_tokenizer

TOKENIZER_BYTES = 20_000_000
"""Of each source's text; more changes a tokenizer hardly, and takes minutes."""


def make_tokenizer(part: TokenizerPart, inputs: Inputs, context: Context) -> Outcome:
    """Leaves the folder `tokenizer/`, as transformers reads it."""
    started = time.perf_counter()
    context.progress.update(0, 1, "training a tokenizer")
    if isinstance(part.tokenizer, GivenTokenizerRecipe):
        tokenizer: Any = load_tokenizer(part.tokenizer.model, part.tokenizer.revision)
    else:
        texts = document_texts(inputs["corpus"]) if "corpus" in inputs else equal_texts(inputs)
        tokenizer = train_tokenizer(texts, part.tokenizer, part.context_tokens)
    tokenizer.save_pretrained(context.folder / TOKENIZER)
    numbers = {"vocab_size": len(tokenizer)}
    return Outcome((TOKENIZER,), numbers=numbers, costs=cost_since(started, "tokenizer"))


def document_texts(corpus: Stored) -> Iterator[str]:
    """The texts of a corpus, read in batches."""
    with pq.ParquetFile(corpus.folder / DOCUMENTS) as file:
        for batch in file.iter_batches(columns=["text"]):
            yield from batch.column(0).to_pylist()


def equal_texts(inputs: Inputs) -> Iterator[str]:
    """Of each source of plain text as many bytes, of its first documents; the last one is cut where need be."""
    sources = [stored for role, stored in inputs.items() if role.startswith("documents.")]
    room = min(TOKENIZER_BYTES, *(stored.numbers["bytes"] for stored in sources))
    for stored in sources:
        left = room
        for text in document_texts(stored):
            data = text.encode()[:left]
            yield data.decode(errors="ignore")
            left -= len(data)
            if not left:
                break
