"""The filter, run by a small reader of its instructions: also for the architecture that the tests do not run on."""

import errno

import pytest

from winnow.sandbox import system_calls as calls

OWN = 4711
X86, ARM = "x86_64", "aarch64"
# fmt: off
DENIED = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242),
    "bind": (49, 200), "listen": (50, 201), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "execveat": (322, 281), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "prctl": (157, 167), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "mount_setattr": (442, 442),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "move_mount": (429, 429),
    "open_tree": (428, 428), "unshare": (272, 97), "setns": (308, 268), "chmod": (90, None), "fchmod": (91, 52),
    "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "truncate": (76, 45), "mknod": (133, None), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "setuid": (105, 146), "setgid": (106, 144),
    "setreuid": (113, 145), "setregid": (114, 143), "setresuid": (117, 147), "setresgid": (119, 149),
    "setfsuid": (122, 151), "setfsgid": (123, 152), "setgroups": (116, 159), "capset": (126, 91), "bpf": (321, 280),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262), "fanotify_mark": (301, 263),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "personality": (135, 92),
    "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None), "uselib": (134, None),
    "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "ustat": (136, None), "sysfs": (139, None),
    "splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192), "semctl": (66, 191), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "vhangup": (153, 58), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "inotify_rm_watch": (255, 28), "getxattr": (191, 8),
    "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11), "llistxattr": (195, 12),
    "flistxattr": (196, 13), "flock": (73, 32), "mincore": (27, 232), "fadvise64": (221, 223), "readahead": (187, 213),
    "sync": (162, 81), "syncfs": (306, 267), "sync_file_range": (277, 84), "statfs": (137, 43), "fstatfs": (138, 44),
    "capget": (125, 90), "get_robust_list": (274, 100), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_getattr": (315, 275), "ioprio_get": (252, 31), "io_setup": (206, 0), "io_submit": (209, 2),
    "io_getevents": (208, 4), "io_destroy": (207, 1), "io_cancel": (210, 3), "io_pgetevents": (333, 292),
    "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
    "timer_create": (222, 107), "signalfd": (282, None), "signalfd4": (289, 74), "membarrier": (324, 283),
    "mlock": (149, 228), "mlock2": (325, 284), "mlockall": (151, 230), "munlock": (150, 229), "munlockall": (152, 231),
    "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236), "remap_file_pages": (216, 234),
    "pkey_mprotect": (329, 288), "pkey_alloc": (330, 289), "setpgid": (109, 154), "setsid": (112, 157),
    "shmdt": (67, 197), "seccomp": (317, 277), "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446), "futex_waitv": (449, 449), "set_mempolicy_home_node": (450, 450),
    "vserver": (236, None),
}
# fmt: on
"""Calls with effects on others, or that watch them: number on x86_64, number on aarch64 (kernel headers 6.1)."""


def answer(machine, number, *arguments, architecture=None):
    """What the filter says to a call: "allow", "kill", or the number of the error."""
    words = {calls.NUMBER: number, calls.ARCHITECTURE: architecture or calls.MACHINES[machine][1]}
    words |= {calls.ARGUMENTS + 8 * place: value & 0xFFFFFFFF for place, value in enumerate(arguments)}
    program, place, held = calls.instructions(machine, OWN), 0, 0
    while True:
        code, yes, no, constant = program[place]
        place += 1
        match code:
            case calls.LOAD:
                held = words.get(constant, 0)
            case calls.AND:
                held &= constant
            case calls.EQUAL:
                place += yes if held == constant else no
            case calls.AT_LEAST:
                place += yes if held >= constant else no
            case calls.RETURN:
                if constant == calls.ALLOW:
                    return "allow"
                return "kill" if constant == calls.KILL else constant & 0xFFFF


@pytest.mark.parametrize("machine", [X86, ARM])
def test_every_denied_call_fails(machine):
    column = calls.MACHINES[machine][0]
    for name, numbers in DENIED.items():
        if numbers[column] is not None:
            assert answer(machine, numbers[column]) == errno.EPERM, name
    assert {answer(machine, numbers[column]) for numbers in calls.NOT_FOUND.values()} == {errno.ENOSYS}
    assert answer(machine, calls.LAST_KNOWN + 1) == errno.ENOSYS


@pytest.mark.parametrize(("machine", "numbers"), [(X86, (0, 1, 9, 59, 231)), (ARM, (63, 64, 222, 221, 94))])
def test_reading_writing_mapping_starting_and_ending_are_allowed(machine, numbers):
    assert {answer(machine, number) for number in numbers} == {"allow"}


@pytest.mark.parametrize("machine", [X86, ARM])
def test_another_architecture_ends_the_process(machine):
    assert answer(machine, 0, architecture=0x40000003) == "kill"
    assert answer(X86, calls.X32 + 41) == "kill"


@pytest.mark.parametrize("machine", [X86, ARM])
@pytest.mark.parametrize(
    ("name", "place", "allowed", "denied"),
    [
        ("kill", 0, [OWN], [1, 0, -1, OWN + 1]),
        ("tgkill", 0, [OWN], [1, 0]),
        ("prlimit64", 0, [0], [OWN, 1]),
        ("getpgid", 0, [0, OWN], [1, OWN + 1]),
        ("getsid", 0, [0, OWN], [1]),
        ("getpriority", 1, [0, OWN], [1]),
        ("sched_getaffinity", 0, [0, OWN], [1]),
        ("clock_gettime", 0, [0, 1, 2, 3, 11], [12, -6, (~1 << 3) | 2]),
        (
            "fcntl",
            1,
            [*range(8), 1030],
            [*range(8, 17), *range(32, 40), *range(1024, 1030), *range(1031, 1042), 1 << 31],
        ),
        ("ioctl", 1, [0x5401, 0x5413, 0x5421, 0x5451], [0x5412, 0x5452, 0x6601, 0x80086601, 0x40086602, 0xC020660B, 1]),
        ("madvise", 2, [0, 4, 8, 14], [9, 12, 13, 20, 21, 100, 101]),
    ],
)
def test_calls_that_are_allowed_for_some_values(machine, name, place, allowed, denied):
    number = calls.FOR_VALUES[name][calls.MACHINES[machine][0]]
    before = [OWN] * place
    assert {answer(machine, number, *before, value) for value in allowed} == {"allow"}
    assert {answer(machine, number, *before, value) for value in denied} == {errno.EPERM}


@pytest.mark.parametrize("machine", [X86, ARM])
def test_files_are_opened_but_not_cut_while_reading(machine):
    opening = calls.OPENING["openat"][calls.MACHINES[machine][0]]
    assert [answer(machine, opening, -100, 0, flags) for flags in (0o0, 0o1000, 0o1001, 0o1102)] == ["allow", 1] + [
        "allow"
    ] * 2


@pytest.mark.parametrize("machine", [X86, ARM])
def test_a_call_without_a_rule_fails(machine):
    column = calls.MACHINES[machine][0]
    tables = (calls.ALLOWED, calls.NOT_FOUND, calls.FOR_VALUES, calls.OPENING)
    known = {numbers[column] for table in tables for numbers in table.values()}
    others = set(range(calls.LAST_KNOWN + 1)) - known
    assert {answer(machine, number, OWN, OWN, OWN) for number in others} == {errno.EPERM}


def test_a_call_has_one_rule():
    tables = (calls.ALLOWED, calls.NOT_FOUND, calls.FOR_VALUES, calls.OPENING, DENIED)
    for column in (0, 1):
        numbers = [pair[column] for table in tables for pair in table.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))
