"""A disk that fails, tears or loses the n-th thing that is done to it, for tests of what survives.

    disk = Disk(monkeypatch, "torn", at=7)
    with pytest.raises(Killed): work()

It stands in for the functions of `winnow.files`. After a kill nothing reaches the disk any more: what the code does in
its `except` and `finally` blocks a dead process would not do.
"""

import errno
import os
import shutil

from winnow import files

CALLS = ("write", "append", "sync", "rename", "link", "remove")


class Killed(BaseException):
    """The process is dead from here on."""


class Disk:
    """Counts what is done to the disk; the call number `at` (from 1) goes wrong in the way that `fault` names."""

    def __init__(self, monkeypatch, fault=None, at=0, die=None):
        self.at, self.count, self.is_dead = at, 0, False
        self.die = die or self._raise
        self.go_wrong = lambda *given: FAULTS[fault](self, *given)
        self.before = lambda *given: None
        self._unsynced, self._renamed = {}, []
        self._real = {name: getattr(files, name) for name in CALLS}
        for name in CALLS:
            monkeypatch.setattr(files, name, lambda *given, name=name: self._call(name, *given))

    @property
    def is_over(self):
        """Whether there was no call number `at`: every one has been tried."""
        return self.count < self.at

    def _call(self, name, path, *given):
        if self.is_dead:
            return
        self.count += 1
        self.before(name, path, *given)
        if self.count == self.at:
            self.go_wrong(name, path, *given)
        else:
            self._do(name, path, *given)

    def _do(self, name, path, *given):
        if name == "rename":
            target = given[0]
            self._renamed.append((path, target, target.read_bytes() if target.is_file() else None))
        if name != "sync":  # what is synced is remembered here; a real sync takes long
            self._real[name](path, *given)
        if name in ("write", "append"):
            self._unsynced |= dict.fromkeys(_below(path))
        elif name == "sync":
            self._unsynced.pop(path, None)
            self._renamed = [entry for entry in self._renamed if entry[1].parent != path]
        elif name == "rename":
            self._unsynced = {_moved(each, path, given[0]): None for each in self._unsynced}

    def _raise(self):
        raise Killed

    def kill(self):
        self.is_dead = True
        self.die()

    def fail(self, name, path, *given):
        """The disk is full; a write has half its bytes there."""
        if name in ("write", "append"):
            self._half(name, path, *given)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def kill_before(self, name, path, *given):
        self.kill()

    def kill_after(self, name, path, *given):
        self._do(name, path, *given)
        self.kill()

    def tear(self, name, path, *given):
        """Half of it is done, then the process is killed."""
        self._half(name, path, *given)
        self.kill()

    def drop(self, name, path, *given):
        """Nothing is done, and nobody is told."""

    def cut_power(self, name, path, *given):
        """What was never synced is lost: contents are empty, names are the old ones."""
        for place in self._unsynced:
            if place.is_file():
                place.write_bytes(b"")
        for source, target, replaced in reversed(self._renamed):
            if target.exists() and not source.exists() and source.parent.is_dir():
                target.rename(source)
                if replaced is not None:
                    target.write_bytes(replaced)
        self.kill()

    def _half(self, name, path, *given):
        if name == "append":
            self._real[name](path, given[0][: len(given[0]) // 2])
        elif name == "write":
            self._real[name](path, *given)
            for place in _below(path)[-1:]:
                os.truncate(place, place.stat().st_size // 2)
        elif name == "remove" and path.is_dir():
            for place in sorted(path.iterdir())[::2]:
                shutil.rmtree(place) if place.is_dir() else place.unlink()


FAULTS = {
    "full": Disk.fail, "killed": Disk.kill_before, "killed after": Disk.kill_after, "torn": Disk.tear,
    "dropped": Disk.drop, "power cut": Disk.cut_power,
}  # fmt: skip


def _below(path):
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _moved(path, source, target):
    return target / path.relative_to(source) if path.is_relative_to(source) else path
