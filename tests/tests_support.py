"""Paths and small helpers for tests."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SMALLEST = ROOT / "recipes" / "smallest.yaml"
SHARED = ROOT.parent / "shared"
