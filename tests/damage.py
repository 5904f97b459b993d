"""Ways to damage one file, each undone when the block is left."""

import random
from contextlib import contextmanager


def _write(path, data):
    """In place: the study folder's weights are read-only, and are the store's own files."""
    path.chmod(path.stat().st_mode | 0o200)
    path.write_bytes(data)


def cut(path, other):
    """The second half is gone."""
    _write(path, path.read_bytes()[: path.stat().st_size // 2])


def emptied(path, other):
    """It has no bytes."""
    _write(path, b"")


def one_bit(path, other):
    """One bit is turned, at a place that the file's name decides."""
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data))
    data[place] ^= 1 << random.Random(place).randrange(8)
    _write(path, data)


def removed(path, other):
    """It is not there."""
    path.unlink()


def swapped(path, other):
    """Another file of the same kind stands in its place."""
    _write(path, other.read_bytes())


WAYS = cut, emptied, one_bit, removed, swapped


@contextmanager
def damaged(way, path, files):
    """Gives whether the file holds other bytes now, where it differs from all `files` of its name."""
    before = path.read_bytes()
    like = [each for each in files if each.suffix == path.suffix and each.read_bytes() != before]
    same_name = [each for each in like if each.name == path.name]
    other = (same_name or like or [path])[0]
    way(path, other)
    try:
        yield not path.exists() or path.read_bytes() != before
    finally:
        _write(path, before) if path.exists() else path.write_bytes(before)
