"""The one folder that a program may write: empty at the start, bounded, gone at the end."""

import ctypes
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MOST_FILES = 4096
BYTES_OF_A_NAME = 4096
"""What a file counts for beside its contents."""
OURS = re.compile(r"winnow-sandbox-[0-9]+-\w+")
MS_NOSUID, MS_NODEV, MS_NOEXEC, MNT_DETACH = 2, 4, 8, 2


def make_scratch() -> tuple[Path, int]:
    """A folder for one keeper, and the descriptor that locks it until it is closed or this process is gone.

    It gets its name once it is locked, so that nobody takes it for a leftover.
    """
    made = Path(tempfile.mkdtemp(prefix="winnow-starting-"))
    lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # a file system without locks: there leftovers stay
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    random = made.name.removeprefix("winnow-starting-")
    return made.rename(made.with_name(f"winnow-sandbox-{os.getpid()}-{random}")), lock


def clear_leftovers() -> None:
    """Remove the scratch folders of this user that nobody holds any more: their processes were killed."""
    for place in Path(tempfile.gettempdir()).iterdir():
        if OURS.fullmatch(place.name):
            with suppress(OSError, subprocess.CalledProcessError):
                _clear(place)


def _clear(place: Path) -> None:
    """Remove one scratch folder. Raises OSError where somebody holds it, or it is none of ours."""
    lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.getuid():
            remove(place)
    finally:
        os.close(lock)


@contextmanager
def fresh(scratch: Path, most_bytes: int, *, mounted: bool) -> Iterator[Path]:
    """An empty folder under `scratch`; where it is `mounted` the kernel keeps it within its bounds."""
    folder = scratch / "work"
    folder.mkdir(mode=0o700)
    try:
        if mounted:
            _mount(folder, most_bytes)
        yield folder
    finally:
        if mounted:
            ctypes.CDLL(None).umount2(os.fsencode(folder), MNT_DETACH)
        remove(folder)


def can_mount(scratch: Path, most_bytes: int) -> bool:
    """Whether a folder in memory can be mounted here."""
    try:
        with fresh(scratch, most_bytes, mounted=True):
            return True
    except OSError:
        return False


def used_bytes(folder: Path, most_bytes: int) -> int:
    """Bytes in a folder, counted until there are more than `most_bytes`; follows no links.

    What cannot be looked into, since it is locked or too deep, counts as too much.
    """
    used, waiting = 0, [os.fspath(folder)]
    try:
        while waiting and used <= most_bytes:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    used += BYTES_OF_A_NAME + entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    except FileNotFoundError:
        return used
    except OSError:
        return most_bytes + 1
    return used


def remove(folder: Path) -> None:
    """Remove a folder, however its modes were set and however deep it is."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", "--", folder], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", "--", folder], check=True, stderr=subprocess.DEVNULL)


def _mount(folder: Path, most_bytes: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={most_bytes},nr_inodes={MOST_FILES},mode=0700".encode()
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
