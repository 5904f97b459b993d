"""Selectors and controls by name.

A selector gives an order of the candidates, best first, such that a smaller selection is a prefix of a larger one;
a control takes another arm's selection and draws rows that share one trait with it. Each is one file:

    class FirstOptions(Frozen): ...

    @selector("first", summary="The first rows by id.", options=FirstOptions)
    def order(pool, *, size, features, options, rng):
        return np.arange(size)

Other packages join by an entry point in the group `winnow.selectors` that names the module.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import ValidationError

from winnow.errors import RecipeError, nearest
from winnow.recipe import Frozen
from winnow.records import Traits
from winnow.selection.views import FeatureView, IntArray, PoolView

GROUP = "winnow.selectors"
BUILT_IN = ("full", "random", "equal_shares", "herding", "ids", "source_matched", "length_matched")


class NoOptions(Frozen):
    """A selector without options of its own."""


class OrderFunction(Protocol):
    """What a selector is."""

    def __call__(
        self, pool: PoolView, *, size: int, features: FeatureView | None, options: Any, rng: np.random.Generator
    ) -> IntArray:
        """At least `size` distinct rows, best first. The rows come sorted by id, so the lower one wins a tie.

        A selector that takes no fraction ignores `size` and gives the rows it wants.
        """
        ...


class DrawFunction(Protocol):
    """What a control is."""

    def __call__(self, reference: IntArray, pool: PoolView, *, options: Any, rng: np.random.Generator) -> IntArray:
        """As many distinct rows as `reference` has, which holds row numbers in ascending order."""
        ...


class FlopsFunction(Protocol):
    """What tells a selector's cost, before it runs or after."""

    def __call__(self, *, pool_examples: int, num_features: int, size: int, options: Any) -> float:
        """FLOPs of one selection, counted from its sizes."""
        ...


def no_flops(*, pool_examples: int, num_features: int, size: int, options: Any) -> float:
    """Nothing worth counting."""
    return 0.0


def no_files(options: Any) -> tuple[Path, ...]:
    """No files of the user's."""
    return ()


@dataclass(frozen=True, slots=True)
class Selector:
    """A registered selector."""

    traits: Traits
    order: OrderFunction
    options: type[Frozen]
    flops: FlopsFunction
    files: Callable[[Any], tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class Control:
    """A registered control."""

    traits: Traits
    draw: DrawFunction
    options: type[Frozen]


Order = TypeVar("Order", bound=OrderFunction)
Draw = TypeVar("Draw", bound=DrawFunction)

_known: dict[str, Selector | Control] = {}
_joined: list[bool] = []
"""Holds one item once the built-in modules and the entry points were imported."""


def selector(
    name: str,
    *,
    summary: str,
    options: type[Frozen] = NoOptions,
    needs_features: bool = False,
    is_random: bool = False,
    takes_fraction: bool = True,
    flops: FlopsFunction = no_flops,
    files: Callable[[Any], tuple[Path, ...]] = no_files,
) -> Callable[[Order], Order]:
    """Register the decorated function as a selector; `files` tells which files its options name."""
    traits = Traits(name, summary, False, is_random, needs_features, takes_fraction)

    def register(function: Order) -> Order:
        _register(Selector(traits, function, options, flops, files))
        return function

    return register


def control(name: str, *, summary: str, options: type[Frozen] = NoOptions) -> Callable[[Draw], Draw]:
    """Register the decorated function as a control."""

    def register(function: Draw) -> Draw:
        _register(Control(Traits(name, summary, is_control=True, is_random=True), function, options))
        return function

    return register


def find_selector(name: str) -> Selector:
    """The selector of this name. Raises RecipeError."""
    found = _find(name)
    if not isinstance(found, Selector):
        raise RecipeError(f"{name} is a control, not a selector; give its arm `of:` the arm that it controls")
    return found


def find_control(name: str) -> Control:
    """The control of this name. Raises RecipeError."""
    found = _find(name)
    if not isinstance(found, Control):
        raise RecipeError(f"{name} is a selector, not a control; leave `of:` out of its arm")
    return found


def traits() -> dict[str, Traits]:
    """What is known of every selector and control, by name."""
    _join()
    return {name: found.traits for name, found in sorted(_known.items())}


def check(name: str, options: Mapping[str, Any]) -> Frozen:
    """The checked options of a selector or control. Raises RecipeError in one line."""
    model = _find(name).options
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        raise RecipeError(_explain(name, model, error.errors()[0])) from error


def data_files(name: str, options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Files of the user's that a selection reads: their contents belong into its fingerprint."""
    found = _find(name)
    return found.files(check(name, options)) if isinstance(found, Selector) else ()


def _explain(name: str, model: type[Frozen], problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) or "none"
        return f"unknown option {key} of {name}{nearest(key, model.model_fields)}; known: {known}"
    if problem["type"] == "missing":
        return f"option {key} of {name} is missing; write `options: {{{key}: ...}}` in its arm"
    return f"option {key} of {name} is {problem['input']!r}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _register(part: Selector | Control) -> None:
    name = part.traits.name
    if name in _known:
        raise RecipeError(f"the selector name {name!r} is taken; rename one of the two or uninstall its package")
    _known[name] = part


def _find(name: str) -> Selector | Control:
    _join()
    if name not in _known:
        raise RecipeError(f"unknown selector {name!r}{nearest(name, _known)}; known: {', '.join(sorted(_known))}")
    return _known[name]


def _join() -> None:
    """Import the built-in selectors and those of other packages, once."""
    if _joined:
        return
    for name in BUILT_IN:
        import_module(f"winnow.selection.{name}")
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise RecipeError(f"selectors of {entry.value!r} cannot be loaded ({error}); mend or remove it") from error
    _joined.append(True)
