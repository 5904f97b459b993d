"""A folder per artifact: written under a temporary name, complete when its record is there.

    store = Store("runs/.store")
    with store.lease("pool", fingerprint) as mine: ...
    folder = store.draft("pool", fingerprint)
    stored = store.commit("pool", fingerprint, artifact)

A draft keeps its name across kills, so that a stage finds what it had and resumes. Folders become visible under
their final name by one rename, after every file in them has reached the disk. Whoever finds an artifact finds what was
written: its record carries a seal over itself and the hash of every file, and both are compared.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from winnow import files
from winnow.errors import ArtifactError
from winnow.records import Artifact, Stored, from_json, to_json

RECORD, SEAL = "record.json", "sha256"
SETTLED_NS = 50_000_000
"""Age from which a file's times tell it from its next version; the clocks of file systems tick every 10 ms or less."""


class Store:
    """Artifacts by kind and fingerprint."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def folder(self, kind: str, fingerprint: str) -> Path:
        """Where the artifact stands once it is complete."""
        return self.root / kind / fingerprint

    def find(self, kind: str, fingerprint: str) -> Stored | None:
        """The complete artifact, or None. Raises ArtifactError, naming the file, where anything of it is damaged."""
        folder = self.folder(kind, fingerprint)
        if not folder.is_dir():
            if os.path.lexists(folder):
                raise ArtifactError(f"{folder} is no folder; remove it and run again")
            return None
        return Stored(read_record(folder), folder)

    def changed_through_link(self, kind: str, fingerprint: str) -> Path | None:
        """A file of an artifact that is not what was written, and that has another name elsewhere.

        Whoever wrote to it there, such as in a study folder, has changed the store's file: they are one.
        """
        folder = self.folder(kind, fingerprint)
        try:
            listed = unsealed(json.loads((folder / RECORD).read_text(encoding="utf-8")))["files"]
            paths = {folder / name: digest for name, digest in listed.items()}
            linked = {path: digest for path, digest in paths.items() if path.is_file() and path.stat().st_nlink > 1}
            return next((path for path, digest in linked.items() if hash_file(path) != digest), None)
        except (OSError, ValueError, RecursionError, KeyError, AttributeError):
            return None

    def discard(self, kind: str, fingerprint: str) -> None:
        """Remove a finished artifact; one that is half removed is none."""
        folder = self.folder(kind, fingerprint)
        aside = folder.with_name(f"{fingerprint}.discarded")
        files.remove(aside)
        files.rename(folder, aside)
        files.remove(aside)

    def draft(self, kind: str, fingerprint: str) -> Path:
        """The folder to work in; what an earlier, killed attempt left is still there."""
        folder = self.draft_place(kind, fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def draft_place(self, kind: str, fingerprint: str) -> Path:
        """Where the draft stands, or would."""
        return self.root / kind / f"{fingerprint}.partial"

    def commit(self, kind: str, fingerprint: str, artifact: Artifact) -> Stored:
        """Make the draft visible as a complete artifact."""
        draft, final = self.draft(kind, fingerprint), self.folder(kind, fingerprint)
        files.remove_partials(draft)
        write_json(draft / RECORD, sealed(to_json(artifact)))
        sync_tree(draft)
        files.rename(draft, final)
        files.sync(final.parent)
        return Stored(artifact, final)

    @contextmanager
    def lease(self, kind: str, fingerprint: str) -> Iterator[bool]:
        """Whether this process alone may work on the artifact now; freed by the system if the process dies."""
        place = self.root / kind / f"{fingerprint}.lease"
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def read_record(folder: Path) -> Artifact:
    """The record of a complete artifact, after comparing it and every file with what was written.

    Reads each file once in a process (`hash_file`). Raises ArtifactError naming the file.
    """
    place, remedy = folder / RECORD, f"remove the folder {folder} and run again"
    try:
        tree = json.loads(place.read_text(encoding="utf-8"))
        artifact = from_json(Artifact, unsealed(tree), is_exact=True)
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{place} is missing or damaged; {remedy}") from error
    if (artifact.kind, artifact.fingerprint) != (folder.parent.name, folder.name):
        raise ArtifactError(f"{folder} holds another artifact, {artifact.kind}/{artifact.fingerprint}; {remedy}")
    check_files(folder, artifact.files, remedy)
    return artifact


def check_files(folder: Path, digests: Mapping[str, str], remedy: str) -> None:
    """Raises ArtifactError, naming the first file below the folder that is not what it was, and the remedy."""
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; {remedy}")
        if hash_file(path) != digest:
            raise ArtifactError(f"{path} is damaged: its contents are not what was written; {remedy}")


def sealed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object with a seal: the hash of all the rest of it."""
    return {**tree, SEAL: hash_json(dict(tree))}


def unsealed(tree: Any) -> dict[str, Any]:
    """The JSON object without its seal, which is compared; one of an earlier version has none.

    Raises ValueError where the two do not belong together.
    """
    if not isinstance(tree, dict):
        raise ValueError("not a JSON object")
    rest = {key: value for key, value in tree.items() if key != SEAL}
    if SEAL in tree and tree[SEAL] != hash_json(rest):
        raise ValueError("its contents are not what was written")
    return rest


def hash_file(path: Path) -> str:
    """sha256 of a file, in hexadecimal; remembered in this process for as long as the file is not touched.

    A file that was touched a moment ago is read again: its next version might bear the same times.
    """
    state = path.stat()
    times = state.st_mtime_ns, state.st_ctime_ns
    is_settled = time.time_ns() - max(times) >= SETTLED_NS
    return (_digest if is_settled else _digest.__wrapped__)(path, state.st_ino, state.st_size, times)


@cache
def _digest(path: Path, inode: int, size: int, times: tuple[int, int]) -> str:
    """Of the file at `path`; the rest tells the versions of a file apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(tree: Any) -> str:
    """sha256 of a JSON value in its one canonical spelling."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_tree(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Path -> sha256 of the named files, and of all files below the named folders."""
    found: dict[str, str] = {}
    for name in names:
        place = folder / name
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        found |= {path.relative_to(folder).as_posix(): hash_file(path) for path in paths if path.is_file()}
    return found


def hash_code(folder: Path) -> str:
    """sha256 over all Python files below a folder: a version of what they do that nobody has to raise."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    return hash_json(hash_tree(folder, names))


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        files.write(partial, data.encode() if isinstance(data, str) else data)
        files.sync(partial)
        files.rename(partial, path)
    except BaseException:
        with suppress(OSError):
            files.remove(partial)
        raise


def write_folder(final: Path, fill: Callable[[Path], object]) -> None:
    """Make a folder that is whole or not there; `fill` puts its files into the empty folder that it is given.

    An old folder of that name goes just before: give a new name where one of the two must always be there. Raises
    OSError naming the file where the disk is full or fails; the room that the attempt took is then free again.
    """
    partial = final.with_name(f"{final.name}.partial")
    files.remove(partial)
    partial.mkdir(parents=True)
    try:
        fill(partial)
        sync_tree(partial)
        files.remove(final)
        files.rename(partial, final)
    except OSError:
        with suppress(OSError):
            files.remove(partial)
        raise
    files.sync(final.parent)


def sync_tree(folder: Path) -> None:
    """Wait until a folder and all that is below it have reached the disk."""
    for path in (*sorted(folder.rglob("*")), folder):
        files.sync(path)


def write_json(path: Path, tree: Any) -> None:
    """Write a JSON file atomically."""
    write_atomic(path, json_text(tree))


def json_text(tree: Any) -> str:
    """The value as the text of a JSON file."""
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises ArtifactError naming the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is missing or damaged; run the study again to restore it") from error
