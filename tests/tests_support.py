"""Paths and small helpers for tests."""

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALLEST = ROOT / "recipes" / "smallest.yaml"
SHARED = ROOT.parent / "shared"


def copy_study(study, root):
    """A study of one's own below `root`, with its store."""
    copy_store(study, root)
    return Path(shutil.copytree(study, root / study.name))


def copy_store(study, root):
    """The store below `root`, with what this study rests on: others write into the store that they share meanwhile."""
    for stage in json.loads((study / "records" / "stages.json").read_text()):
        place = Path(".store") / stage["kind"] / stage["fingerprint"]
        shutil.copytree(study.parent / place, root / place, dirs_exist_ok=True)
    return root / ".store"


def chosen_rows(*args, **options):
    """The rows that `choose` gives."""
    from winnow.selection.choose import choose

    return choose(*args, **options).rows
