"""Programs that try to get out of the sandbox (escapes.txt), and the host that sees whether one did.

Each program defines `f`. Most return True where they got what they were after; a forgery wants to be taken for right
without knowing the answer; what exhausts does not come back by itself.
"""

import os
import re
import secrets
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

FORGED_TESTS = "assert f() == {answer!r}"
LOOPED_TESTS = "assert all(map(lambda answer: f() == answer, [{answer!r}]))"
CLAIMED_TESTS = "assert f() is True"


def programs(*kinds):
    """Name: program, of these kinds."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    found = re.findall(r"^# === (\w+): (.*)\n((?:(?!# ===).*\n)+)", text, re.MULTILINE)
    return {name: program for kind, name, program in found if kind in kinds}


CLAIMS = programs("reading", "changing", "talking", "processes", "kernel")
EXHAUSTING = programs("exhausting")
FORGERIES = programs("forgeries")


class Host:
    """What a program could reach, with a record of whether it did."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "secret").write_text("KEY")
        (self.folder / "target").write_text("untouched")
        with suppress(OSError):  # where the file system knows no attributes, none can be read
            os.setxattr(self.folder / "secret", "user.secret", b"KEY")
        self.sockets = self._listen()
        self.victim = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE)
        self.before = self._state()

    def _listen(self):
        self.abstract = f"\0winnow-{secrets.token_hex(6)}"
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        paths = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        for one, address in zip(
            [tcp, udp, *paths], [("127.0.0.1", 0), ("127.0.0.1", 0), str(self.folder / "s"), self.abstract], strict=True
        ):
            one.bind(address)
            one.setblocking(False)
        for one in (tcp, *paths):
            one.listen()
        return {"tcp": tcp, "udp": udp, "unix": paths[0], "abstract": paths[1]}

    def written(self, program):
        """The program with this host's paths, ports and processes in it."""
        values = {
            "SECRET": str(self.folder / "secret"), "TARGET": str(self.folder / "target"),
            "UNIX": str(self.folder / "s"),
            "TCP": self.sockets["tcp"].getsockname()[1], "UDP": self.sockets["udp"].getsockname()[1],
            "ABSTRACT": self.abstract, "VICTIM": self.victim.pid,
        }  # fmt: skip
        return "".join(f"{name} = {value!r}\n" for name, value in values.items()) + program

    def _state(self):
        target = (self.folder / "target").lstat()
        return {
            "files": sorted(path.name for path in self.folder.iterdir()),
            "text": (self.folder / "target").read_text(),
            "target": (stat.S_IMODE(target.st_mode), target.st_uid, target.st_mtime_ns),
            "attributes": os.listxattr(self.folder / "target"),
            "victim": (self.victim.poll(), os.getpriority(os.PRIO_PROCESS, self.victim.pid)),
            "limits": Path(f"/proc/{self.victim.pid}/limits").read_text(),
            "segments": Path("/proc/sysvipc/shm").read_text().count("\n"),
            "shared": Path("/dev/shm/winnow-escape").exists(),
        }

    def touched(self):
        """What is no longer as it was, and who knocked."""
        changed = [key for key, value in self._state().items() if value != self.before[key]]
        for name, one in self.sockets.items():
            try:
                one.recv(1) if name == "udp" else one.accept()
            except BlockingIOError:
                continue
            changed.append(name)
        return changed

    def close(self):
        self.victim.communicate(b"\n")
        for one in self.sockets.values():
            one.close()


def survivors(scratch):
    """Processes that still run with a keeper's scratch folder as their home."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(scratch) in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found
