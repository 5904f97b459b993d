"""Data sets of the Hugging Face hub, or folders laid out like one, through `datasets`.

    path: hf://openai/gsm8k           # the hub
    path: hf:///data/my_set           # a folder of this machine
    path: hf://./my_set               # likewise, from the current folder

The hub's files are kept and reused where `datasets` keeps them.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from winnow.errors import DataError
from winnow.recipe import SourceRecipe

HUB = "hf://"


def read_hub(source: SourceRecipe, path: str) -> Iterator[dict[str, Any]]:
    """The rows of a hub data set's split. Raises DataError where it is out of reach or has no such split."""
    yield from load_hub(source, path)


def load_hub(source: SourceRecipe, path: str) -> Any:
    """A hub data set's split, a `datasets.Dataset`. Raises DataError as `read_hub`."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"source {source.name!r} is on a hub; pip install 'winnow-lm[hub]' to read it") from error
    name = path.removeprefix(HUB)
    if not name.strip():
        raise DataError(f"source {source.name!r} has the path {path!r}, which names no data set; write hf://owner/name")
    if is_local(name) and not Path(name).is_dir():
        raise DataError(f"source {source.name!r} finds no folder at {Path(name).absolute()}; mend its path")
    try:
        loaded = datasets.load_dataset(
            name, source.subset, split=source.split, revision=source.revision, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"source {source.name!r} cannot be had from {path} (subset {source.subset}, split {source.split}): "
            f"{first_line(error)}; check name and connection, or download it and give its files as `path`"
        ) from error
    if source.revision is None and not is_local(name):
        warnings.warn(
            f"source {source.name!r} takes {name} as it stands at the hub today{_commit(loaded)}; give a commit as "
            "`revision`, so that the same recipe has the same rows",
            stacklevel=2,
        )
    return loaded


def _commit(loaded: Any) -> str:
    """The commit that a data set came from, in words; empty where it does not tell."""
    told = " ".join(map(str, getattr(loaded.info, "download_checksums", None) or {}))
    found = re.search(r"@([0-9a-f]{40})/", told)
    return f" ({found[1]})" if found else ""


def hub_files(path: str) -> list[Path]:
    """The files of a local data set folder, sorted; none for a data set of the hub."""
    name = path.removeprefix(HUB)
    return sorted(file for file in Path(name).rglob("*") if file.is_file()) if is_local(name) else []


def is_local(name: str) -> bool:
    """Whether the name is a folder of this machine."""
    return name.startswith(("/", "."))


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
