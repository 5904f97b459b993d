"""A seccomp filter of system calls, as the kernel reads it: classic BPF.

    install(own_pid=os.getpid())    # for this process and whatever it executes, for good

A list of calls is allowed, some of them for some values of an argument; others fail with EPERM, calls newer than this
table with ENOSYS, as on an older kernel. Calls by the numbers of another architecture (32-bit, x32) end the process.
Numbers are those of the kernel's headers 6.1 (`asm/unistd_64.h`, `asm-generic/unistd.h`); source for the filter's form:
Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import errno
import platform
import struct

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table below, and the kernel's number of the architecture (linux/audit.h)."""

LAST_KNOWN = 451
X32 = 0x40000000

# fmt: off
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # files that are open
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "preadv": (295, 69), "pwritev": (296, 70), "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "ftruncate": (77, 46), "fallocate": (285, 47), "fsync": (74, 82), "fdatasync": (75, 83), "sendfile": (40, 71),
    "copy_file_range": (326, 285), "getdents": (78, None), "getdents64": (217, 61),
    # files by path, of which Landlock decides; what a path is
    "creat": (85, None), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79),
    "statx": (332, 291), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50), "umask": (95, 166),
    "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36),
    # waiting
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create": (213, None),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441), "eventfd": (284, None), "eventfd2": (290, 19), "timerfd_create": (283, 85),
    "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87), "pause": (34, None), "nanosleep": (35, 101),
    "alarm": (37, None), "setitimer": (38, 103), "getitimer": (36, 102), "sched_yield": (24, 124), "futex": (202, 98),
    # own memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "msync": (26, 227),
    "brk": (12, 214),
    # own process, its signals and its end
    "execve": (59, 221), "exit": (60, 93), "exit_group": (231, 94), "wait4": (61, 260), "waitid": (247, 95),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "set_tid_address": (218, 96), "set_robust_list": (273, 99), "rseq": (334, 293),
    "arch_prctl": (158, None), "getrusage": (98, 165), "getrlimit": (97, 163), "setrlimit": (160, 164),
    "times": (100, 153), "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getpgrp": (111, None),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177), "getresuid": (118, 148),
    "getresgid": (120, 150), "getgroups": (115, 158),
    # the clock, the machine's kind, and chance
    "time": (201, None), "gettimeofday": (96, 169), "uname": (63, 160), "sysinfo": (99, 179), "getcpu": (309, 168),
    "getrandom": (318, 278),
}
"""Name: number on x86_64, number on aarch64; None where the architecture has no such call.

They reach the process itself, and files that Landlock lets it open. All others are denied, whether they change others
or only watch them."""
# fmt: on

NOT_FOUND = {"clone3": (435, 435), "openat2": (437, 437), "preadv2": (327, 286), "pwritev2": (328, 287)}
"""Calls that are answered with ENOSYS so that the C library takes their elder sisters.

A filter cannot see the arguments of the first two; the others tell whether somebody has read a part of a file."""

SELF = -1
"""The process itself, among the values below."""
CLOCKS = tuple(range(12))
"""The machine's clocks, and the process's own; greater numbers name other processes."""

FOR_VALUES: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "kill": (62, 129, 0, (SELF,)),
    "tgkill": (234, 131, 0, (SELF,)),
    "prlimit64": (302, 261, 0, (0,)),
    "getpgid": (121, 155, 0, (0, SELF)),
    "getsid": (124, 156, 0, (0, SELF)),
    "getpriority": (140, 141, 1, (0, SELF)),
    "sched_getaffinity": (204, 123, 0, (0, SELF)),
    "clock_gettime": (228, 113, 0, CLOCKS),
    "clock_getres": (229, 114, 0, CLOCKS),
    "clock_nanosleep": (230, 115, 0, CLOCKS),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_DUPFD_CLOEXEC
    "fcntl": (72, 25, 1, (0, 1, 2, 3, 4, 5, 6, 7, 1030)),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2
    "ioctl": (16, 29, 1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)),
    # NORMAL to DONTNEED, FREE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP
    "madvise": (28, 233, 2, (0, 1, 2, 3, 4, 8, 14, 15, 16, 17)),
}
"""Numbers, and which argument must have one of which values."""

OPENING = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Numbers, and which argument has the flags. Cutting a file that is opened for reading is denied: before its third
version Landlock takes that for reading."""
O_ACCMODE, O_TRUNC = 0o3, 0o1000

LOAD, EQUAL, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in seccomp_data. Arguments have 8 bytes; all that are looked at here fit into the lower 4."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install(own_pid: int) -> None:
    """Filter the calls of this process from now on; it needs no_new_privs. Raises OSError where the kernel cannot."""
    if platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"no filter is written for {platform.machine()}")
    made = b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions(platform.machine(), own_pid))
    program = _Program(len(made) // 8, made)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "seccomp filter refused")


def instructions(machine: str, own_pid: int) -> list[Instruction]:
    """The filter for one architecture."""
    column, architecture = MACHINES[machine]
    made = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), _answer(KILL), (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        made += [(AT_LEAST, 0, 1, X32), _answer(KILL)]
    made += [(AT_LEAST, 0, 1, LAST_KNOWN + 1), _answer(FAIL, errno.ENOSYS)]
    for numbers in ALLOWED.values():
        made += _when(numbers[column], [_answer(ALLOW)])
    for numbers in NOT_FOUND.values():
        made += _when(numbers[column], [_answer(FAIL, errno.ENOSYS)])
    for *call, place, values in FOR_VALUES.values():
        wanted = [own_pid if value == SELF else value for value in values]
        chosen = [step for value in wanted for step in ((EQUAL, 0, 1, value), _answer(ALLOW))]
        made += _when(call[column], [_argument(place), *chosen, _answer(FAIL, errno.EPERM)])
    for *opening, flags in OPENING.values():
        masked = (AND, 0, 0, O_ACCMODE | O_TRUNC)
        cut = [_argument(flags), masked, (EQUAL, 0, 1, O_TRUNC), _answer(FAIL, errno.EPERM), _answer(ALLOW)]
        made += _when(opening[column], cut)
    return [*made, _answer(FAIL, errno.EPERM)]


def _when(number: int | None, steps: list[Instruction]) -> list[Instruction]:
    """Steps that answer one call; nothing for a call that does not exist."""
    return [] if number is None else [(EQUAL, 0, len(steps), number), *steps]


def _argument(place: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * place)


def _answer(action: int, number: int = 0) -> Instruction:
    return (RETURN, 0, 0, action | number)
