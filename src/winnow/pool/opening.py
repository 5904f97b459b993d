"""Data files opened as what they hold: unpacked, in their own encoding, line by line; and what to say where that fails.

with faults_of(path), open_text(path) as file:
    for line in lines_of(file, str(path)): ...
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from winnow.errors import DataError
from winnow.files import check_regular

LONGEST_LINE, LONGEST_TEXT = 1 << 28, 1 << 31
"""Characters of a line, and of a file that is read whole; a packed file can be far longer than it looks."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a text that is not UTF-8 may begin with -> its encoding; the longer marks first."""
OTHERS = {b"PAR1": "a Parquet file", b"PK\x03\x04": "a zip archive", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file"}
"""What a file that is no text may begin with -> what it is."""


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, as a DataError that names it."""
    place = path.absolute()
    try:
        yield
    except UnicodeError as error:
        name, reason = "UTF-8", str(error)
        if isinstance(error, UnicodeDecodeError):
            name, reason = error.encoding.upper(), error.reason
        raise DataError(f"{place} is not {name} text ({reason}); convert it to UTF-8") from error
    except OSError as error:
        if error.errno is None:
            raise DataError(f"{place} cannot be read: {error}; it may be cut short, get it again") from error
        said = error.strerror or type(error).__name__
        said = said if said.startswith(("is ", "cannot ")) else f"cannot be read: {said}"
        raise DataError(f"{place} {said}; mend the path, or get the file again") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{place} cannot be read: {error}; it may be cut short, get it again") from error


def check_same(path: Path, before: os.stat_result) -> None:
    """Raises DataError where a file is not the one that it was."""
    now = check_regular(path)
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise DataError(f"{path.absolute()} changed while it was read; run again when nothing writes to it")


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """The text of a file, unpacked where it is packed, whatever its name says."""
    with open_unpacked(path) as file:
        start = file.peek(8)
        found = next((kind for mark, kind in OTHERS.items() if start.startswith(mark)), None)
        if found is not None:
            raise DataError(f"{path.absolute()} is {found} by its content; unpack it, or name it by what it is")
        encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8-sig")
        with io.TextIOWrapper(file, encoding) as text:
            yield text


def open_unpacked(path: Path) -> io.BufferedReader:
    """The bytes of a file as they were before it was packed."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(GZIP):
        return io.BufferedReader(gzip.open(path))
    if start.startswith(ZSTD):
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def lines_of(file: IO[str], place: str) -> Iterator[str]:
    """The lines of a text. Raises DataError where one is no text, or longer than any row."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise DataError(f"{place}, line {number}, is longer than {LONGEST_LINE:,} characters; split the row")
        check_no_nul(line, f"{place}, line {number},")
        yield line


def check_no_nul(text: str, place: str) -> None:
    """Raises DataError where a text holds what a crash or UTF-16 without its mark leaves between letters."""
    if "\0" in text:
        raise DataError(f"{place} holds NUL bytes: it is damaged, or in another encoding; get it again, or convert it")


def read_whole(file: IO[str], place: str) -> str:
    """A text at once. Raises DataError where it is too long for that."""
    text = file.read(LONGEST_TEXT)
    if len(text) == LONGEST_TEXT:
        raise DataError(f"{place} is longer than {LONGEST_TEXT:,} characters; split it, or use JSON Lines")
    check_no_nul(text, place)
    return text
