"""The stage that trains a tokenizer on a corpus or on the sources of plain text, or takes that of a model."""

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from winnow.errors import DataError
from winnow.parts import TokenizerPart
from winnow.pool.stages import DOCUMENTS, Inputs, cost_since
from winnow.recipe import GivenTokenizerRecipe, TokenizerRecipe
from winnow.records import Context, Outcome, Stored
from winnow.text.tokenizers import TOKENIZER, encode_documents, load_tokenizer, train_tokenizer

DOCUMENTS_OF = "documents."
"""How the roles of inputs begin that hold the documents of a source."""
BYTES_PER_TOKEN = 4
"""First guess at what is held out."""
TOKENIZER_BYTES = 20_000_000
"""Of each source's text; more changes a tokenizer hardly, and takes minutes."""


def make_tokenizer(part: TokenizerPart, inputs: Inputs, context: Context) -> Outcome:
    """Leaves the folder `tokenizer/`, as transformers reads it."""
    started = time.perf_counter()
    context.progress.update(0, 1, "training a tokenizer")
    if isinstance(part.tokenizer, GivenTokenizerRecipe):
        tokenizer: Any = load_tokenizer(part.tokenizer.model, part.tokenizer.revision)
    elif "corpus" in inputs:
        tokenizer = train_tokenizer(document_texts(inputs["corpus"]), part.tokenizer, part.context_tokens)
    else:
        tokenizer = _of_sources(part.tokenizer, part, inputs)
    tokenizer.save_pretrained(context.folder / TOKENIZER)
    numbers = {"vocab_size": len(tokenizer)}
    return Outcome((TOKENIZER,), numbers=numbers, costs=cost_since(started, "tokenizer"))


def document_texts(corpus: Stored) -> Iterator[str]:
    """The texts of a corpus, read in batches."""
    with pq.ParquetFile(corpus.folder / DOCUMENTS) as file:
        for batch in file.iter_batches(columns=["text"]):
            yield from batch.column(0).to_pylist()


def _of_sources(recipe: TokenizerRecipe, part: TokenizerPart, inputs: Inputs) -> Any:
    """A tokenizer of all sources that has seen nothing of what will be held out.

    How many bytes that is only the tokenizer tells: where the documents that it has not seen turn out to be too few
    tokens, it is trained anew on fewer. Raises DataError where a source has no others.
    """
    sources = {role: stored for role, stored in inputs.items() if role.startswith(DOCUMENTS_OF)}
    bytes_per_token = BYTES_PER_TOKEN
    while True:
        unseen = {
            role: _beginning(stored, part.validation_tokens * bytes_per_token) for role, stored in sources.items()
        }
        tokenizer = train_tokenizer(equal_texts(inputs, unseen), recipe, part.context_tokens)
        if all(_tokens(tokenizer, stored, unseen[role]) >= part.validation_tokens for role, stored in sources.items()):
            return tokenizer
        bytes_per_token *= 2


def _beginning(source: Stored, size: int) -> int:
    """How many of a source's first documents have so many bytes. Raises DataError where there is nothing after them."""
    count = read = 0
    for text in document_texts(source):
        if read >= size:
            return count
        count, read = count + 1, read + len(text.encode())
    name = source.numbers["source"]
    raise DataError(
        f"source {name!r} has {read:,} bytes of text, too few to hold pool.text.validation_tokens out and train a "
        "tokenizer on the rest; lower validation_tokens, give more text, or name a tokenizer"
    )


def _tokens(tokenizer: Any, source: Stored, documents: int) -> int:
    """How many tokens a source's first documents are."""
    first = list(islice(document_texts(source), documents))
    return sum(len(ids) for ids in encode_documents(tokenizer, first))


def equal_texts(inputs: Inputs, unseen: Mapping[str, int] | None = None) -> Iterator[str]:
    """Of each source of plain text as many bytes, behind its `unseen` documents; the last one is cut where need be."""
    sources = {role: stored for role, stored in inputs.items() if role.startswith(DOCUMENTS_OF)}
    skipped = {role: (unseen or {}).get(role, 0) for role in sources}
    room = min(TOKENIZER_BYTES, *(_bytes_after(stored, skipped[role]) for role, stored in sources.items()))
    for role, stored in sources.items():
        left = room
        for text in islice(document_texts(stored), skipped[role], None):
            data = text.encode()[:left]
            yield data.decode(errors="ignore")
            left -= len(data)
            if not left:
                break


def _bytes_after(source: Stored, documents: int) -> int:
    """Bytes of a source's text behind its first documents."""
    first = sum(len(text.encode()) for text in islice(document_texts(source), documents))
    return int(source.numbers["bytes"]) - first
