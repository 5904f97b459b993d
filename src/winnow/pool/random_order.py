"""Documents of a source once each, in the order of hashes of (seed, content), through files on disk.

    with in_random_order("books", texts, folder, seed=0) as portions:
        for portion in portions:                  # a few MB of text
            for (identity, text), times in portion: ...

Documents go into one of 256 files by the first byte of their hash; a file is sorted in memory, or cut by the next byte
where it is too large for that. So memory grows neither with the source nor with how often a document stands in it.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from winnow.pool.cleaning import rank
from winnow.text.examples import digest

FILES = 256
FILE_BYTES = 16_000_000
"""Of a file that is sorted in memory, where no document stands in it twice."""
MAX_CUTS = 3
"""After that many only copies of one document lie together."""
PORTION_CHARACTERS = 2_000_000

Document = tuple[str, str]
"""Id and text."""
Portion = list[tuple[Document, int]]
"""Documents, each with how often it stands in the source."""


@contextmanager
def in_random_order(name: str, texts: Iterable[str], folder: Path, *, seed: int) -> Iterator[Iterator[Portion]]:
    """The documents of a source in the order of their hashes; `folder` holds them meanwhile, then is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _scatter(_lines(name, texts, seed), folder, cuts=0)
        yield (portion for file in _files(folder, cuts=1) for portion in _portions(file))
    finally:
        shutil.rmtree(folder)


def _lines(name: str, texts: Iterable[str], seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Hash of each document, and the line that a file has of it."""
    for text in texts:
        identity = f"{name}:{digest(text)}"
        order = rank(identity, seed)
        yield order, json.dumps([order.hex(), identity, text]).encode() + b"\n"


def _scatter(lines: Iterable[tuple[bytes, bytes]], folder: Path, *, cuts: int) -> None:
    """Write each line to the file of its hash's byte `cuts`."""
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{number:03}.jsonl").open("wb")) for number in range(FILES)]
        for order, line in lines:
            files[order[cuts]].write(line)


def _files(folder: Path, *, cuts: int) -> Iterator[Path]:
    """The files of a folder in order, those that are too large cut."""
    for path in sorted(folder.glob("*.jsonl")):
        if path.stat().st_size <= FILE_BYTES or cuts > MAX_CUTS:
            yield path
            continue
        smaller = path.with_suffix("")
        smaller.mkdir()
        with path.open("rb") as file:
            _scatter(((bytes.fromhex(json.loads(line)[0]), line) for line in file), smaller, cuts=cuts)
        path.unlink()
        yield from _files(smaller, cuts=cuts + 1)
        shutil.rmtree(smaller)


def _portions(path: Path) -> Iterator[Portion]:
    """The documents of a file, sorted, a few MB at a time."""
    with path.open("rb") as file:
        times = Counter(file)
    portion, size = Portion(), 0
    for line in sorted(times):  # which begin with the hash
        _, identity, text = json.loads(line)
        portion.append(((identity, text), times[line]))
        size += len(text)
        if size >= PORTION_CHARACTERS:
            yield portion
            portion, size = Portion(), 0
    if portion:
        yield portion
