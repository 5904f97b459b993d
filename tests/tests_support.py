"""Paths and small helpers for tests."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALLEST = ROOT / "recipes" / "smallest.yaml"
SHARED = ROOT.parent / "shared"


def chosen_rows(*args, **options):
    """The rows that `choose` gives."""
    from winnow.selection.choose import choose

    return choose(*args, **options).rows
