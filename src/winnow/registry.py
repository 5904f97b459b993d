"""Parts by name: those of winnow, and those that other packages bring through an entry point.

    known = Registry[Measure]("measure", "measures", group="winnow.measures", package="winnow.evaluation.measures",
                              built_in=("loss",))
    known.add("loss", part)
    known.find("loss")

The modules of the built-in parts register them when they are imported, which the first look does, once.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from winnow.errors import RecipeError, nearest

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """All parts of one kind; `word` and `words` are what messages call one and several of them."""

    def __init__(self, word: str, words: str, *, group: str, package: str, built_in: Sequence[str]) -> None:
        self.word, self.words, self.group = word, words, group
        self.parts: dict[str, Part] = {}
        self._modules = [f"{package}.{name}" for name in built_in]
        self._has_joined = False

    def add(self, name: str, part: Part) -> None:
        """Register a part. Raises RecipeError where its name is taken."""
        if name in self.parts:
            raise RecipeError(f"the {self.word} name {name!r} is taken; rename one of the two or uninstall its package")
        self.parts[name] = part

    def find(self, name: str) -> Part:
        """The part of this name. Raises RecipeError naming the nearest one."""
        self._join()
        if name not in self.parts:
            known = sorted(self.parts)
            raise RecipeError(f"unknown {self.word} {name!r}{nearest(name, known)}; known: {', '.join(known)}")
        return self.parts[name]

    def all(self) -> dict[str, Part]:
        """All parts, by name and in that order. Raises RecipeError where those of a package cannot be loaded."""
        self._join()
        return dict(sorted(self.parts.items()))

    def _join(self) -> None:
        if self._has_joined:
            return
        for name in self._modules:
            import_module(name)
        for entry in entry_points(group=self.group):
            try:
                entry.load()
            except Exception as error:
                raise RecipeError(
                    f"{self.words} of {entry.value!r} cannot be loaded ({error}); mend or remove it"
                ) from error
        self._has_joined = True
