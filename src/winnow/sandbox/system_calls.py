"""A seccomp filter of system calls, as the kernel reads it: classic BPF.

    install(own_pid=os.getpid())    # for this process and whatever it executes, for good

Denied calls fail with EPERM; calls newer than this table with ENOSYS, as on an older kernel; calls by the numbers of
another architecture (32-bit, x32) end the process. Numbers are those of the kernel's headers 6.1 (`asm/unistd_64.h`,
`asm-generic/unistd.h`); source for the filter's form: Documentation/userspace-api/seccomp_filter.rst.
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
DENIED: dict[str, tuple[int | None, int | None]] = {
    # sockets of every family
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242),
    "bind": (49, 200), "listen": (50, 201), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
    # other processes and threads, and programs that lie in no file
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "execveat": (322, 281), "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # reaching into other processes, or changing how they run
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "prctl": (157, 167), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "mount_setattr": (442, 442), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "move_mount": (429, 429), "open_tree": (428, 428), "unshare": (272, 97),
    "setns": (308, 268),
    # what Landlock does not see: modes, owners, times and attributes of any file, files by handle
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None),
    "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None), "truncate": (76, 45),
    "mknod": (133, None), "mknodat": (259, 33), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # users and capabilities
    "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setregid": (114, 143),
    "setresuid": (117, 147), "setresgid": (119, 149), "setfsuid": (122, 151), "setfsgid": (123, 152),
    "setgroups": (116, 159), "capset": (126, 91),
    # wide doors into the kernel
    "bpf": (321, 280), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "personality": (135, 92), "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
    "uselib": (134, None), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "ustat": (136, None),
    "sysfs": (139, None),
    "splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75),
    # memory and queues that outlive their process
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192),
    "semctl": (66, 191), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # the machine itself
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116), "vhangup": (153, 58),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162),
}
"""Name: number on x86_64, number on aarch64; None where the architecture has no such call."""
# fmt: on

NOT_FOUND = {"clone3": (435, 435), "openat2": (437, 437)}
"""Calls whose arguments a filter cannot see, answered with ENOSYS so that the C library takes their elder sisters."""

OWN_PROCESS_ONLY = {"kill": (62, 129), "tgkill": (234, 131)}
"""Calls whose first argument has to be the process itself."""

WITHOUT_PROCESS = {"prlimit64": (302, 261)}
"""Calls whose first argument has to be 0: the caller."""

OPENING = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Numbers, and which argument has the flags. Cutting a file that is opened for reading is denied: before its third
version Landlock takes that for reading."""
O_ACCMODE, O_TRUNC = 0o3, 0o1000

FCNTL = (72, 25)
SIGNALLING = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: they make the kernel send a signal of one's choice to another process."""

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
    for table, number in ((DENIED, errno.EPERM), (NOT_FOUND, errno.ENOSYS)):
        for numbers in table.values():
            made += _when(numbers[column], [_answer(FAIL, number)])
    for numbers in OWN_PROCESS_ONLY.values():
        made += _when(numbers[column], [_argument(0), (EQUAL, 1, 0, own_pid), _answer(FAIL, errno.EPERM)])
    for numbers in WITHOUT_PROCESS.values():
        made += _when(numbers[column], [_argument(0), (EQUAL, 1, 0, 0), _answer(FAIL, errno.EPERM)])
    for *opening, flags in OPENING.values():
        masked = (AND, 0, 0, O_ACCMODE | O_TRUNC)
        cut = [_argument(flags), masked, (EQUAL, 0, 1, O_TRUNC), _answer(FAIL, errno.EPERM)]
        made += _when(opening[column], cut)
    owning = [step for command in SIGNALLING for step in ((EQUAL, 0, 1, command), _answer(FAIL, errno.EPERM))]
    made += _when(FCNTL[column], [_argument(1), *owning])
    return [*made, _answer(ALLOW)]


def _when(number: int | None, steps: list[Instruction]) -> list[Instruction]:
    """Steps for one call; where they come to no answer the call is allowed. Nothing for a call that does not exist."""
    if number is None:
        return []
    steps = steps if len(steps) == 1 else [*steps, _answer(ALLOW)]
    return [(EQUAL, 0, len(steps), number), *steps]


def _argument(place: int) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * place)


def _answer(action: int, number: int = 0) -> Instruction:
    return (RETURN, 0, 0, action | number)
