"""Which sources of plain text have documents in common."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

IDS_AT_ONCE = 4_000_000
"""In memory, at eight bytes and what sorting them takes; of more documents a part is looked at after the other."""
HASH_DIGITS = 16
"""Hexadecimal, at the end of an id: of the content."""


def shared_documents(paths: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Pairs of sources that have documents in common, and how many: their shares then say less than they seem to.

    A document of several sources is counted with the first of them. `paths` are the documents of each source.
    """
    documents = sum(pq.read_metadata(path).num_rows for path in paths.values())
    parts, pairs = 1 + documents // IDS_AT_ONCE, Counter[tuple[int, int]]()
    for part in range(parts):
        hashes = [_hashes(path, part, parts) for path in paths.values()]
        pairs.update(_pairs(hashes))
    names = list(paths)
    return [{"sources": [names[one], names[other]], "documents": pairs[one, other]} for one, other in sorted(pairs)]


def _hashes(path: Path, part: int, parts: int) -> NDArray[np.uint64]:
    """The hashes of a source's documents that belong to this part."""
    found = [np.empty(0, np.uint64)]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["id"]):
            digits = "".join([identity[-HASH_DIGITS:] for identity in batch.column(0).to_pylist()])
            hashes = np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
            found.append(hashes[hashes % np.uint64(parts) == part])
    return np.concatenate(found)


def _pairs(hashes: list[NDArray[np.uint64]]) -> list[tuple[int, int]]:
    """For each hash that a source has after another: the first source with it, and this one."""
    values = np.concatenate(hashes)
    owners = np.repeat(np.arange(len(hashes)), [len(each) for each in hashes])
    order = np.argsort(values, kind="stable")  # in which equal ones keep the order of the sources
    values, owners = values[order], owners[order]
    is_first = np.ones(len(values), bool)
    is_first[1:] = values[1:] != values[:-1]
    firsts = owners[np.maximum.accumulate(np.where(is_first, np.arange(len(values)), 0))]
    return list(zip(firsts[~is_first].tolist(), owners[~is_first].tolist(), strict=True))
