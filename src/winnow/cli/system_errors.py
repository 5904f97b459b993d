"""What to say where the operating system refuses something: no room, no permission, a file in the place of a folder.

except OSError as error:
    print(told(error))          # No space left on device: /data/.store/x; make room ...
"""

import errno
import os
import re
from collections.abc import Iterator

PLACES = "give another --out or --store, or move away what stands there"
ADVICE = {
    errno.ENOSPC: "make room (or choose another --out or --store) and run the same command again",
    errno.EDQUOT: "make room (or choose another --out or --store) and run the same command again",
    errno.EFBIG: "choose another --out or --store, on a disk that takes files so large",
    errno.EACCES: "mend the permissions there, or choose another --out or --store",
    errno.EPERM: "mend the permissions there, or choose another --out or --store",
    errno.EROFS: "choose another --out or --store, where files can be written",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run the same command again",
    errno.ENFILE: "close other programs' files, or raise the system's limit, and run the same command again",
    errno.ENOMEM: "free some memory, or ask for less, and run the same command again",
    errno.EIO: "check the disk, or choose another --out or --store",
    errno.ESTALE: "mount the disk anew and run the same command again",
    errno.ENAMETOOLONG: "give a shorter name or path",
    errno.EBUSY: "end what uses it and run the same command again",
    errno.ETXTBSY: "end what uses it and run the same command again",
}
"""Number of the error -> what to do; for others `PLACES`, or `AGAIN` where no file is named."""
AGAIN = "mend that and run the same command again; --debug shows where it happened"


def told(error: OSError) -> str:
    """One line for an error of the operating system: what, where, and what to do."""
    found = next((each for each in _chain(error) if each.errno is not None), error)
    number, where = found.errno, _where(found)
    listed = _listed(error)
    if number is None and listed:
        number, where = listed[0]
    text = os.strerror(number) if number is not None and number in errno.errorcode else _words(found)
    known = PLACES if where and number is not None else AGAIN
    return f"{text}{f': {where}' if where else ''}; {ADVICE.get(number or 0, known)}"


def _chain(error: BaseException) -> Iterator[OSError]:
    """The error, and those that it was raised from or while handling."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        if isinstance(at, OSError):
            yield at
        at = at.__cause__ or at.__context__


def _where(error: OSError) -> str:
    names = [
        os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)
    ]
    return " -> ".join(_short(name) for name in names)


def _short(path: str) -> str:
    return path if len(path) <= 300 else f"{path[:200]}...{path[-60:]}"


def _listed(error: OSError) -> list[tuple[int, str]]:
    """Number and file of each error that `shutil.Error` lists: (from, to, why), or lists of such."""
    rows = error.args[0] if error.args and isinstance(error.args[0], list) else []
    triples = [row for row in rows if isinstance(row, tuple) and len(row) == 3]
    found = [(re.search(r"\[Errno (\d+)\]", str(why)), str(to)) for _, to, why in triples]
    return [(int(number[1]), _short(to)) for number, to in found if number]


def _words(error: OSError) -> str:
    """What an error without a number says of itself."""
    return (error.strerror or "; ".join(str(error).strip().splitlines()[:1]) or type(error).__name__)[:300]
