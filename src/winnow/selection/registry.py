"""Selectors and controls by name.

A selector gives an order of the candidates, best first, such that a smaller selection is a prefix of a larger one;
a control takes another arm's selection and draws rows that share one trait with it. Each is one file:

    class FirstOptions(Frozen): ...

    @selector("first", summary="The first rows by id.", options=FirstOptions)
    def order(pool, *, size, seen, options, rng):
        return np.arange(size)

Other packages join by an entry point in the group `winnow.selectors` that names the module.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from winnow.errors import RecipeError
from winnow.recipe import Frozen
from winnow.recipe.options import NoOptions, checked_options
from winnow.records import Traits, needs_of
from winnow.registry import Registry
from winnow.selection.views import Chosen, IntArray, PoolView, Seen

GROUP = "winnow.selectors"
Need = Literal["vectors", "features", "scores", "counts"]
BUILT_IN = (
    "full", "random", "equal_shares", "herding", "ids", "source_matched", "length_matched", "top_k",
    "bottom_k", "band", "stratified", "score_gated_herding", "within_sources", "rds_round_robin",
    "gradient_round_robin", "source_shares", "cluster_shares", "density_ratio", "dsir", "random_plus_target",
    "leverage", "log_det", "k_centre", "facility_location", "weighted_kernel_quadrature",
    "cluster_round_robin", "semantic_deduplication",
)  # fmt: skip


class OrderFunction(Protocol):
    """What a selector is."""

    def __call__(
        self, pool: PoolView, *, size: int, seen: Seen, options: Any, rng: np.random.Generator
    ) -> IntArray | Chosen:
        """At least `size` distinct rows, best first. The rows come sorted by id, so the lower one wins a tie.

        `seen` holds what the selector said that it needs. A selector that takes no fraction ignores `size` and gives
        the rows it wants. One that weighs its rows gives exactly `size`.
        """
        ...


class DrawFunction(Protocol):
    """What a control is."""

    def __call__(
        self, reference: IntArray, pool: PoolView, *, size: int, options: Any, rng: np.random.Generator
    ) -> IntArray:
        """`size` distinct rows; `reference` holds row numbers in ascending order.

        `size` is the reference's, less the target sample for a control that adds it.
        """
        ...


class FlopsFunction(Protocol):
    """What tells a selector's cost, before it runs or after."""

    def __call__(self, *, pool_examples: int, width: int, size: int, target_examples: int, options: Any) -> float:
        """FLOPs of one selection, counted from its sizes.

        `width` is that of the features, or else of the vectors.
        """
        ...


def no_flops(*, pool_examples: int, width: int, size: int, target_examples: int, options: Any) -> float:
    """Nothing worth counting."""
    return 0.0


def no_files(options: Any) -> tuple[Path, ...]:
    """No files of the user's."""
    return ()


def all_rows(options: Any) -> int | None:
    """No number that the options tell: as many as there are."""
    return None


@dataclass(frozen=True, slots=True)
class Selector:
    """A registered selector."""

    traits: Traits
    order: OrderFunction
    options: type[Frozen]
    flops: FlopsFunction
    files: Callable[[Any], tuple[Path, ...]]
    num_rows: Callable[[Any], int | None]


@dataclass(frozen=True, slots=True)
class Control:
    """A registered control."""

    traits: Traits
    draw: DrawFunction
    options: type[Frozen]


Order = TypeVar("Order", bound=OrderFunction)
Draw = TypeVar("Draw", bound=DrawFunction)

REGISTRY = Registry[Selector | Control](
    "selector", "selectors", group=GROUP, package="winnow.selection", built_in=BUILT_IN
)


def selector(
    name: str,
    *,
    summary: str,
    options: type[Frozen] = NoOptions,
    needs: tuple[Need, ...] = (),
    target: Literal["none", "optional", "required"] = "none",
    representation: str = "hidden_states",
    score: str = "loss",
    is_random: bool = False,
    is_nested: bool = True,
    takes_fraction: bool = True,
    wraps: bool = False,
    flops: FlopsFunction = no_flops,
    files: Callable[[Any], tuple[Path, ...]] = no_files,
    num_rows: Callable[[Any], int | None] = all_rows,
) -> Callable[[Order], Order]:
    """Register the decorated function as a selector; `records.Traits` says what the arguments mean.

    `flops` counts what a selection costs, `files` tells which files its options name, `num_rows` how many rows a
    selector without a fraction will choose, where its options tell.
    """
    traits = Traits(
        name, summary, is_random=is_random, needs=needs, takes_fraction=takes_fraction,
        is_nested=is_nested and takes_fraction, target=target, representation=representation, score=score, wraps=wraps,
    )  # fmt: skip

    def register(function: Order) -> Order:
        REGISTRY.add(name, Selector(traits, function, options, flops, files, num_rows))
        return function

    return register


def control(
    name: str, *, summary: str, options: type[Frozen] = NoOptions, adds_target: bool = False
) -> Callable[[Draw], Draw]:
    """Register the decorated function as a control; the rows of the target sample are added to what it draws."""
    traits = Traits(name, summary, is_control=True, is_random=True, is_nested=False, adds_target=adds_target)

    def register(function: Draw) -> Draw:
        REGISTRY.add(name, Control(traits, function, options))
        return function

    return register


def find_selector(name: str) -> Selector:
    """The selector of this name. Raises RecipeError."""
    found = REGISTRY.find(name)
    if not isinstance(found, Selector):
        raise RecipeError(f"{name} is a control, not a selector; give its arm `of:` the arm that it controls")
    return found


def find_control(name: str) -> Control:
    """The control of this name. Raises RecipeError."""
    found = REGISTRY.find(name)
    if not isinstance(found, Control):
        raise RecipeError(f"{name} is a selector, not a control; leave `of:` out of its arm")
    return found


def traits() -> dict[str, Traits]:
    """What is known of every selector and control, by name."""
    return {name: found.traits for name, found in REGISTRY.all().items()}


def options_of(name: str) -> type[Frozen]:
    """The model of a selector's or control's own options. Raises RecipeError."""
    return REGISTRY.find(name).options


def check(name: str, options: Mapping[str, Any]) -> Frozen:
    """The checked options of a selector or control. Raises RecipeError with a line for each mistake."""
    return checked_options(name, options_of(name), options, write="`options: {KEY: ...}` in its arm")


def data_files(name: str, options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Files of the user's that a selection reads: their contents belong into its fingerprint."""
    found = REGISTRY.find(name)
    return found.files(check(name, options)) if isinstance(found, Selector) else ()


def needs(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """What a selector sees, its inner selector's needs included."""
    found = find_selector(name).traits
    return needs_of(found, options, traits()) if found.wraps else found.needs
