"""The stage `rows`: a pool of rows that a caller hands over, where a study reads its recipe's sources.

The caller leaves `train.parquet`, and `target.parquet` if there is a target, with the columns of GIVEN_SCHEMA; the
stage adds their tokens. Without a tokenizer a token is a word: what stands between spaces.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from winnow.errors import DataError
from winnow.parts import RowsPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.text.examples import TOKEN_FIELDS
from winnow.text.tokenizers import encode_examples, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TRAIN, TARGET = "train.parquet", "target.parquet"
GIVEN_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float64())),
    ]
)
ROWS_SCHEMA = pa.schema([*GIVEN_SCHEMA, *TOKEN_FIELDS])
"""The rows with their tokens."""
BATCH = 16_384
"""Rows that are read, tokenised and written together."""
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\v\f\r"))

Tokenise = Callable[[pa.RecordBatch, Counter[str]], pa.Table]


def make_rows_pool(part: RowsPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves `train.parquet`, and `target.parquet` where one was given, in the order in which they came.

    With a tokenizer the end of a completion is cut at `max_tokens`, and a row whose prompt alone is as long is left
    out and counted. Raises DataError where no row is left.
    """
    started = time.perf_counter()
    tokenise: Tokenise = _words
    if "tokenizer" in inputs:
        tokenise = _tokens_of(tokenizer_of(inputs["tokenizer"]), part.max_tokens)
    tallies = {name: _add_tokens(Path(part.given) / name, part, tokenise, context) for name in part.contents}
    numbers = {name: tallies[TRAIN][name] for name in ("examples", "tokens", "truncated", "dropped")}
    if TARGET in tallies:
        numbers["target_examples"] = tallies[TARGET]["examples"]
    return Outcome(tuple(tallies), numbers=numbers, costs={"pool": Cost(seconds=time.perf_counter() - started)})


def _add_tokens(path: Path, part: RowsPart, tokenise: Tokenise, context: Context) -> Counter[str]:
    """Write a file's rows with their tokens; counts of what became of them."""
    tally: Counter[str] = Counter()
    writer = open_writer(context.folder / path.name, ROWS_SCHEMA)
    with pq.ParquetFile(path) as file, writer:
        for batch in file.iter_batches(batch_size=BATCH):
            table = tokenise(batch, tally)
            writer.write_table(table.cast(ROWS_SCHEMA))
            tally["examples"] += len(table)
            tally["tokens"] += sum(len(table[name].combine_chunks().flatten()) for name, _ in TOKEN_FIELDS)
            context.progress.update(tally["examples"], file.metadata.num_rows, f"tokens of {path.stem}")
    if not tally["examples"]:
        raise DataError(f"no row of {path.stem} has a prompt below {part.max_tokens} tokens; raise max_tokens")
    return tally


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer for large files that are read once or twice: speed before size."""
    repeating = ["source", *(f"{name}.list.element" for name, _ in TOKEN_FIELDS)]
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=repeating)


def _words(batch: pa.RecordBatch, tally: Counter[str]) -> pa.Table:
    """The rows with as many tokens as words; the ids are all 0, for nothing reads them without a model."""
    lists = []
    for name in ("prompt", "completion"):
        offsets = np.concatenate([[0], np.cumsum(count_words(batch[name]))]).astype(np.int32)
        lists.append(pa.ListArray.from_arrays(offsets, np.zeros(offsets[-1], dtype=np.int32)))
    return pa.table([*batch.columns, *lists], names=ROWS_SCHEMA.names)


def count_words(texts: pa.StringArray) -> NDArray[np.int64]:
    """Words of each text, [rows]: runs of bytes other than ASCII white space."""
    _, places, data = texts.buffers()
    bounds = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    letters = ~_IS_SPACE[np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]]
    starts = letters.copy()
    starts[1:] &= ~letters[:-1]
    inside = bounds[:-1][bounds[:-1] < bounds[1:]] - bounds[0]
    starts[inside] = letters[inside]
    total = np.concatenate([[0], np.cumsum(starts, dtype=np.int64)])
    return total[bounds[1:] - bounds[0]] - total[bounds[:-1] - bounds[0]]


def _tokens_of(tokenizer: "PreTrainedTokenizerBase", max_tokens: int | None) -> Tokenise:
    def tokenise(batch: pa.RecordBatch, tally: Counter[str]) -> pa.Table:
        prompts, completions = batch["prompt"].to_pylist(), batch["completion"].to_pylist()
        encoded = encode_examples(tokenizer, prompts, completions, max_tokens=max_tokens or 1 << 30)
        is_kept = [bool(each.completion_ids) for each in encoded]
        kept = [each for each in encoded if each.completion_ids]
        tally["dropped"] += len(encoded) - len(kept)
        tally["truncated"] += sum(each.truncated for each in kept)
        rows = batch.filter(pa.array(is_kept, pa.bool_()))
        types = [kind for _, kind in TOKEN_FIELDS]
        tokens = [[each.prompt_ids for each in kept], [each.completion_ids for each in kept]]
        lists = [pa.array(ids, kind) for ids, kind in zip(tokens, types, strict=True)]
        return pa.table([*rows.columns, *lists], names=ROWS_SCHEMA.names)

    return tokenise
