"""Documents as tokens on disk: one array of all tokens, and where each document begins in it.

    cache = TokenCache.open(folder)
    cache.document(7)                     # its tokens, the end token last; nothing else is read

Two bytes a token where the vocabulary allows it, else four. Files are mapped into memory, so that a cache of any size
is opened in no time and takes no memory of its own.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.errors import ArtifactError

TOKENS, DOCUMENT_STARTS = "tokens.bin", "documents.npy"
SMALL_VOCABULARY = 1 << 16
"""Ids below it fit into two bytes."""


def dtype_for(vocabulary: int) -> np.dtype[Any]:
    """The type of ids below `vocabulary`."""
    return np.dtype(np.uint16 if vocabulary <= SMALL_VOCABULARY else np.uint32)


@dataclass(frozen=True)
class TokenCache:
    """The tokens of some documents, each with an end token."""

    tokens: NDArray[Any]
    """[tokens], uint16 or uint32, read-only."""
    starts: NDArray[np.int64]
    """[documents + 1]; document i is tokens[starts[i]:starts[i + 1]]."""

    @classmethod
    def open(cls, folder: Path) -> "TokenCache":
        """The cache in a folder. Raises ArtifactError where one of its files is missing or cut short."""
        path = folder / TOKENS
        try:
            starts = np.load(folder / DOCUMENT_STARTS, mmap_mode="r")
            size, width = path.stat().st_size, int(starts[0])
            tokens = np.memmap(path, dtype=np.dtype(f"<u{width}"), mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{folder} holds no tokens ({error}); remove it and run again") from error
        if size != int(starts[-1]) * width:
            raise ArtifactError(
                f"{path} has {size:,} bytes of {int(starts[-1]) * width:,}; remove the folder {folder} and run again"
            )
        return cls(tokens, starts[1:])

    def first(self, fraction: float) -> "TokenCache":
        """The first documents that have this share of all tokens, one at least."""
        count = int(np.searchsorted(self.starts, fraction * int(self.starts[-1]) * (1 - 1e-12)))
        return TokenCache(self.tokens, self.starts[: 1 + max(1, count)])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[documents]; tokens of each, with its end token."""
        return np.diff(self.starts)

    def document(self, number: int) -> NDArray[Any]:
        """The tokens of one document."""
        return self.tokens[self.starts[number] : self.starts[number + 1]]


def write_cache(folder: Path, documents: Iterable[Any], dtype: np.dtype[Any]) -> tuple[int, int]:
    """Write documents, each an array of ids with its end token; how many documents and tokens they are."""
    starts = array("q", [dtype.itemsize, 0])
    with (folder / TOKENS).open("wb") as file:
        for ids in documents:
            file.write(np.asarray(ids).astype(dtype.newbyteorder("<")).tobytes())
            starts.append(starts[-1] + len(ids))
    np.save(folder / DOCUMENT_STARTS, np.frombuffer(starts, dtype=np.int64))
    return len(starts) - 2, starts[-1]
