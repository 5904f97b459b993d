"""Ways to damage one file, each undone when the block is left."""

import random
from contextlib import contextmanager


def cut(path, other):
    """The second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path, other):
    """It has no bytes."""
    path.write_bytes(b"")


def one_bit(path, other):
    """One bit is turned, at a place that the file's name decides."""
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data))
    data[place] ^= 1 << random.Random(place).randrange(8)
    path.write_bytes(data)


def removed(path, other):
    """It is not there."""
    path.unlink()


def swapped(path, other):
    """Another file of the same kind stands in its place."""
    path.write_bytes(other.read_bytes())


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
        path.write_bytes(before)
