"""A folder per artifact: written under a temporary name, complete when its record is there.

    store = Store("runs/.store")
    with store.lease("pool", fingerprint) as mine: ...
    folder = store.draft("pool", fingerprint)
    stored = store.commit("pool", fingerprint, artifact)

A draft keeps its name across kills, so that a stage finds what it had and resumes. Folders become visible under
their final name by one rename, after every file in them has reached the disk.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from winnow import files
from winnow.errors import ArtifactError
from winnow.records import Artifact, Stored, from_json, to_json

RECORD = "record.json"


class Store:
    """Artifacts by kind and fingerprint."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def folder(self, kind: str, fingerprint: str) -> Path:
        """Where the artifact stands once it is complete."""
        return self.root / kind / fingerprint

    def find(self, kind: str, fingerprint: str) -> Stored | None:
        """The complete artifact, or None. Raises ArtifactError, naming the file, where its record is damaged."""
        folder = self.folder(kind, fingerprint)
        if not folder.is_dir():
            return None
        stored = Stored(read_record(folder), folder)
        for name in stored.artifact.files:
            if not (folder / name).is_file():
                raise ArtifactError(f"{folder / name} is missing; remove the folder {folder} and run again")
        return stored

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
        for left_over in list(draft.rglob(".*.partial")):  # of writes that a kill cut short
            files.remove(left_over)
        write_json(draft / RECORD, to_json(artifact))
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
    """The record of a complete artifact. Raises ArtifactError naming the file."""
    place = folder / RECORD
    try:
        return from_json(Artifact, json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{place} is missing or damaged; remove the folder {folder} and run again") from error


def hash_file(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
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
    write_atomic(path, json.dumps(tree, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises ArtifactError naming the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is missing or damaged; run the study again to restore it") from error
