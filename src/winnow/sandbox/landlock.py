"""Landlock: from now on this process and its children see only these files.

    restrict(readable=["/usr/lib"], executable=["/usr/bin/python3"], writable=["/tmp/work"])

Needs Linux 5.13. Newer kernels restrict more: cutting files short (Landlock 3), TCP (4), devices (5), abstract Unix
sockets and signals to processes outside (6). Source: Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
ASK_VERSION = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEVICE = 1 << 15
FIRST_VERSION = (1 << 13) - 1
"""All rights over files that version 1 knows."""
DEVICES_AND_SOCKETS = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)
"""Making character devices, sockets, pipes and block devices."""
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
"""What can be allowed of a single file."""
TCP = 0b11
SIGNALS_AND_SOCKETS = 0b11


def version() -> int:
    """Version of Landlock that the kernel has; raises OSError where it has none."""
    return _call(CREATE_RULESET, None, 0, ASK_VERSION)


def restrict(*, readable: Iterable[str], executable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow this process those files and what lies under those folders, and nothing else, for good.

    Nothing under `writable` can be executed, nor can devices, pipes or sockets be made there. Paths that do not exist
    are left out. The process needs no_new_privs. Raises OSError where the kernel has no Landlock.
    """
    known = version()
    handled = _handled(known)
    attributes = struct.pack("<QQQ", handled, TCP if known >= 4 else 0, SIGNALS_AND_SOCKETS if known >= 6 else 0)
    ruleset = _call(CREATE_RULESET, attributes, _size(known), 0)
    try:
        for paths, rights in (
            (readable, READ_FILE | READ_DIR),
            (executable, READ_FILE | EXECUTE),
            (writable, handled & ~(EXECUTE | DEVICES_AND_SOCKETS | IOCTL_DEVICE)),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _handled(known: int) -> int:
    """Rights over files that a version of Landlock can take away."""
    later = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEVICE))
    return FIRST_VERSION | sum(right for since, right in later if known >= since)


def _size(known: int) -> int:
    """Bytes of the attributes that a version knows."""
    return 24 if known >= 6 else 16 if known >= 4 else 8


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if Path(path).is_dir() else rights & OF_FILES
        _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("<Qi", allowed, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    found = libc.syscall(ctypes.c_long(number), *passed)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(found)
