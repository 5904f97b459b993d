"""The files of a study folder, and whether they are what was written.

    files = StudyFiles(folder)
    files.write_json("records/pool.json", tree)
    files.finish(settings)                       # study.json, last: every file with its hash, and a seal over itself

    settings = read_settings(folder)             # what `finish` was given
    check_records(folder, settings)              # before anything is found in them

`winnow run` writes what it has in the store anew, so that it restores what is damaged; all others refuse it by name.
Folders that an earlier version wrote list no files, and are read as they are.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from winnow import files
from winnow.errors import ArtifactError
from winnow.records import ZERO_SHOT
from winnow.store import SEAL, check_files, hash_file, json_text, sealed, unsealed, write_atomic, write_folder

STUDY, FILES = "study.json", "files"
STAGES = "records/stages.json"
PREDICTIONS = "records/predicted.json"
CHECKPOINTS = "best", "last"
WEIGHTS = "adapters/", "base/"
"""Folders that hold checkpoints; whoever sends them elsewhere checks them, findings do not rest on them."""
WRITTEN = "records", "adapters", "tables", "figures"
"""Folders in which all is winnow's own."""
MARK = "# sha256: "
REMEDY = "run the study again to restore it"


class StudyFiles:
    """A study folder that is being brought up to date, with the hash of every file that belongs to it."""

    def __init__(self, folder: Path) -> None:
        """What an earlier run listed stays listed, with the hash that it had, for as long as it is not written anew."""
        self.folder = folder
        self.digests: dict[str, str] = dict((read_settings(folder) or {}).get(FILES, {}))
        self._is_said = False
        for name in WRITTEN:
            files.remove_partials(folder / name)

    def write(self, name: str, content: str | bytes) -> None:
        """A file of these contents; one that has them already is left as it is."""
        data = content.encode() if isinstance(content, str) else content
        self._bring(name, hashlib.sha256(data).hexdigest(), lambda path: write_atomic(path, data))

    def write_json(self, name: str, tree: Any) -> None:
        """A JSON file of this value."""
        self.write(name, json_text(tree))

    def copy(self, source: Path, name: str, digest: str) -> None:
        """A copy of a small file whose hash is known."""
        self._bring(name, digest, lambda path: write_atomic(path, source.read_bytes()))

    def _bring(self, name: str, digest: str, write: Callable[[Path], None]) -> None:
        path = self.folder / name
        if not path.is_file() or hash_file(path) != digest:
            write(path)
        self.digests[name] = digest

    def bring_checkpoint(self, source: Path, name: str, digests: Mapping[str, str]) -> None:
        """A folder of weights, complete or not at all; warns of one that was there and is damaged.

        Its files are the artifact's own under a second name, copies where the file system allows no second one. Files
        beside those of the checkpoint, which somebody else has put there, stay.
        """
        target = self.folder / name
        if not target.is_dir():
            write_folder(target, lambda place: self._fill(place, source, digests))
        apart = [file for file in digests if not _is_same(source / file, target / file)]
        damaged = [file for file in apart if not _is(target / file, digests[file])]
        if damaged:
            warnings.warn(f"{target / damaged[0]} was not what had been trained; it is restored", stacklevel=2)
        for file in apart:
            self._replace(source / file, target / file, may_copy=file in damaged)
        self.digests |= {f"{name}/{file}": digest for file, digest in digests.items()}

    def _fill(self, place: Path, source: Path, names: Iterable[str]) -> None:
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if not files.link(source / name, place / name):
                self._copy(source / name, place / name)

    def _replace(self, source: Path, path: Path, *, may_copy: bool) -> None:
        """The artifact's file in the place of another, in one instant; as a copy only where it may."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}.partial")
        files.remove(new)
        if not files.link(source, new):
            if not may_copy:
                return
            self._copy(source, new)
        files.sync(new)
        files.rename(new, path)

    def _copy(self, source: Path, path: Path) -> None:
        files.write(path, partial(shutil.copyfile, source))
        if not self._is_said:
            self._is_said = True
            warnings.warn(
                f"weights are copied into {self.folder}, where the store's files cannot have second names, so they lie "
                "on disk twice; put both on one file system, or set study.keep",
                stacklevel=2,
            )

    def remove(self, name: str) -> None:
        """A folder that is outdated, off the disk and off the list."""
        files.remove(self.folder / name)
        self.digests = {file: digest for file, digest in self.digests.items() if not file.startswith(f"{name}/")}

    def drop(self, name: str) -> None:
        """A folder that is no longer kept, without the files that somebody else has put there."""
        for file in [file for file in self.digests if file.startswith(f"{name}/")]:
            files.remove(self.folder / file)
            del self.digests[file]
        for place in (*sorted((self.folder / name).rglob("*"), reverse=True), self.folder / name):
            if place.is_dir() and not any(place.iterdir()):
                files.remove(place)

    def finish(self, settings: Mapping[str, Any]) -> None:
        """Write study.json, which says what the study is and what belongs to it."""
        write_atomic(self.folder / STUDY, json_text(sealed({**settings, FILES: dict(sorted(self.digests.items()))})))


def run_name(arm: str, seed: int | None, first_seed: int, checkpoint: str | None = None) -> str:
    """Name of a run, or of a checkpoint of it, in file names: the first seed's carries no seed."""
    of_seed = "" if seed in (None, first_seed) else f"_s{seed}"
    return f"{arm}{of_seed}_{checkpoint}" if checkpoint and arm != ZERO_SHOT else f"{arm}{of_seed}"


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and hash_file(path) == digest


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are names of one file."""
    return other.is_file() and one.samefile(other)


def read_settings(folder: Path) -> dict[str, Any] | None:
    """What a study folder says of itself, or None where there is none yet. Raises ArtifactError where it is damaged."""
    path = folder / STUDY
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        settings = unsealed(tree)
        if FILES in settings and SEAL not in tree:
            raise ValueError("its seal is gone")
        lacking = [key for key in ("identity", "first_seed") if key not in settings]
        if lacking:
            raise ValueError(f"it has no {lacking[0]}")
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}; remove this file and {REMEDY}") from error
    return settings


def sealed_text(text: str) -> str:
    """The text below a comment that tells whether it is whole."""
    return f"{MARK}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def read_sealed_text(path: Path) -> str:
    """The text without that comment; one of an earlier version has none. Raises ArtifactError where it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        seal, _, rest = text.partition("\n")
        if not text or (seal.startswith(MARK) and sealed_text(rest) != text):
            raise ValueError("its contents are not what was written")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}; {REMEDY}") from error
    return rest if seal.startswith(MARK) else text


def check_records(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises ArtifactError, naming the first file that findings rest on and that is not what was written."""
    listed = settings.get(FILES, {})
    check_files(folder, {name: listed[name] for name in listed if not name.startswith(WEIGHTS)}, REMEDY)


def check_weights(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises ArtifactError, naming the first file of a checkpoint that is not what was trained."""
    listed = settings.get(FILES, {})
    check_files(folder, {name: listed[name] for name in listed if name.startswith(WEIGHTS)}, REMEDY)
