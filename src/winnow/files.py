"""What winnow does to the disk, in one place: write, append, sync, rename, link, remove; and what it reads at all.

Whatever has to survive a kill is written through these functions, so that a test can fail, tear or lose the n-th of
them. Nothing here is atomic by itself: `store.write_atomic` and `store.write_folder` are made of them.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROBE_BYTES = 1 << 20
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What systems say where a file cannot have a second name: on another file system, or on one that has no links."""
KINDS = (
    (stat.S_ISDIR, "is a folder, where a file is needed"),
    (stat.S_ISFIFO, "is a named pipe, where a file is needed"),
    (stat.S_ISSOCK, "is a socket, where a file is needed"),
    (stat.S_ISCHR, "is a device, where a file is needed"),
    (stat.S_ISBLK, "is a device, where a file is needed"),
)
"""What stands under a path and is no file -> how messages say so."""


def check_regular(path: Path) -> os.stat_result:
    """What the system knows of a regular file, looked at before anything opens it: a pipe would wait for ever.

    Raises OSError whose `strerror` follows the path in a sentence, for whatever else stands there, or nothing does.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL, or half of a character
        raise OSError(errno.EINVAL, "is no name that a file can have", str(path)) from error
    except OSError as error:
        is_dangling = error.errno == errno.ENOENT and path.is_symlink()
        reason = "is a link to nothing" if is_dangling else f"cannot be read: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from error
    for is_kind, reason in KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, reason, str(path))
    return found


def write(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Put these bytes into a file, or whatever the function writes to the path: a file, or files in a folder.

    Raises OSError naming the path, also where the function is a library's that reports a full disk in its own way.
    """
    with _named(path):
        if isinstance(content, bytes):
            path.write_bytes(content)
            return
        try:
            content(path)
        except OSError:
            raise
        except Exception:
            _fail_as_the_disk_does(path)
            raise


def append(path: Path, text: str) -> None:
    """Add text to the end of a file. Not synced: a kill of the process loses nothing of it, a power cut may."""
    with _named(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def sync(path: Path) -> None:
    """Wait until a file's contents, or a folder's list of names, have reached the disk."""
    with _named(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name; a file of that name is replaced in the same instant."""
    source.replace(target)


def link(source: Path, target: Path) -> bool:
    """Give a file a second name; False where the file system does not allow it.

    Under both names it is read-only from then on, since whatever is written to one of them is in the other too.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in NO_LINKS:
            return False
        raise
    with suppress(OSError):  # somebody else's file
        target.chmod(stat.S_IMODE(target.stat().st_mode) & ~WRITABLE)
    return True


def link_tree(source: Path, target: Path) -> None:
    """Give all files of a folder a second name below another one; copies where the file system has no such names."""
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _named(place):
            if not link(path, place):
                shutil.copyfile(path, place)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what writes that a kill cut short have left below a folder in which nobody else writes now."""
    for left_over in list(folder.rglob("*.partial")):
        remove(left_over)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of writing and syncing carry no file name by themselves."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _fail_as_the_disk_does(path: Path) -> None:
    """Raise the OSError that writing beside the path gives; where that works, the disk was not the cause."""
    probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)
