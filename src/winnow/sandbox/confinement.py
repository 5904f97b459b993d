"""What a process takes from itself before it runs a program that a model wrote. All of it is for good.

Layers, each of which holds without the others:

    rlimits     memory, processor seconds, file sizes, open files, no core dumps
    landlock    reads the Python tree and the system's libraries, writes its working folder, sees no other file
    seccomp     no sockets, no other processes or threads, no wide doors into the kernel
    namespaces  sees no process, user, network, mount of the host; made once by the keeper, where the host allows it

`no_new_privs`, no capabilities, a session of its own and closed descriptors come with all of them.
"""

import ctypes
import math
import os
import resource
import signal
import struct
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from winnow.sandbox import landlock, system_calls

REQUIRED = ("rlimits", "landlock", "seccomp")
LAYERS = (*REQUIRED, "namespaces")

OPEN_FILES = 64
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 38, 24, 36
CAPABILITY_VERSION_3, CAPSET = 0x20080522, {"x86_64": 126, "aarch64": 91}
CLONE_NEW = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x00020000
"""Namespaces of users, processes, network, IPC, host name and mounts."""
NOBODY = 65534
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/urandom")


@dataclass(frozen=True)
class Limits:
    """What one program may use, with its tests."""

    seconds: float = 10.0
    """Of wall clock, from the start of its interpreter."""
    memory_bytes: int = 512 << 20
    """Of address space."""
    disk_bytes: int = 16 << 20
    """In its working folder."""
    output_bytes: int = 1 << 20
    """Printed; whoever prints more is ended."""


@dataclass(frozen=True)
class Python:
    """The interpreter that runs programs, and the files it may read."""

    executable: str
    options: tuple[str, ...]
    readable: tuple[str, ...]
    executables: tuple[str, ...]


def python(*, packages: bool) -> Python:
    """The interpreter under this one: its standard library, with `packages` also what is installed here."""
    executable = sys.executable if packages else getattr(sys, "_base_executable", sys.executable)
    real = os.path.realpath(executable)
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")]
    if packages:
        folders += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), f"{sys.prefix}/pyvenv.cfg"]
    loaders = [str(path) for folder in ("/lib64", "/lib") for path in Path(folder).glob("ld-linux*")]
    readable = tuple(dict.fromkeys([*filter(None, folders), *LIBRARIES]))
    return Python(executable, ("-I",) if packages else ("-I", "-S"), readable, (real, *loaders))


def confine(layers: tuple[str, ...], limits: Limits, tree: Python, work: str) -> None:
    """Take all away but what a program needs, and stay in the folder `work`. Raises OSError where a layer is missing.

    The process has to be a fork with a single thread; its descriptors are the caller's to close.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.setsid()
    os.chdir(work)
    os.umask(0o077)
    if "rlimits" in layers:
        _limit(limits)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs refused")
    _drop_capabilities(libc)
    if "landlock" in layers:
        landlock.restrict(readable=tree.readable, executable=tree.executables, writable=[work, os.devnull])
    if "seccomp" in layers:
        system_calls.install(own_pid=os.getpid())


def _limit(limits: Limits) -> None:
    seconds = math.ceil(limits.seconds) + 1
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.disk_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up what root may do; nothing happens to whoever has no capabilities."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, none = struct.pack("<Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    libc.syscall(CAPSET[os.uname().machine], header, none)


def enter_namespaces() -> None:
    """Move this process into namespaces of its own, as user nobody; its next child is their first process.

    Raises OSError where the host does not allow that.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEW) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")


def become_subreaper() -> None:
    """Be handed every descendant whose parent ends, so that none escapes by forking twice."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "subreaper refused")
