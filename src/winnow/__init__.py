"""winnow: select data, train small language models at equal compute, and prove what it saved.

The public names below load on first use, so that `import winnow` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Recipe": "winnow.recipe",
    "load_recipe": "winnow.recipe.file",
    "plan": "winnow.verbs.plan",
    "run": "winnow.pipeline",
    "generate": "winnow.verbs.generate",
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


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Package(ModuleType):
    """Python binds a sub-package to its name here when it is imported: not over a public name, such as `report`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
