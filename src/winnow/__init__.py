"""winnow: select data, train small language models at equal compute, and prove what it saved.

The public names below load on first use, so that `import winnow` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Recipe": "winnow.recipe",
    "load_recipe": "winnow.recipe_file",
    "plan": "winnow.planning",
    "run": "winnow.pipeline",
    "generate": "winnow.generating",
    "report": "winnow.pipeline",
    "select": "winnow.select_api.select",
    "Selection": "winnow.select_api.selection",
    "load": "winnow.analysis.study_folder",
    "compare": "winnow.compare_api.compare",
    "Compared": "winnow.compare_api.compare",
    "compare_checkpoints": "winnow.compare_api.checkpoints",
    "WinnowError": "winnow.errors",
}

__all__ = [
    "Compared",
    "Recipe",
    "Selection",
    "WinnowError",
    "compare",
    "compare_checkpoints",
    "generate",
    "load",
    "load_recipe",
    "plan",
    "report",
    "run",
    "select",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'winnow' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
