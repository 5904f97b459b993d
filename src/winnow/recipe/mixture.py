"""Section `mixture`: each source's share of the tokens, from start to end or changing on the way.

mixture: equal                                        # a mixer by name
mixture: {books: 0.5, web: 0.3, reference: 0.2}       # shares, 1 in all
mixture: {name: unimax, options: {max_epochs: 4}}     # a mixer with options
mixture:                                              # changing: from knot to knot
  between: linear
  knots: [{at: 0, shares: {web: 1}}, {at: 1, shares: equal}]
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from winnow.errors import nearest, shown
from winnow.recipe.values import ADDED, Frozen, Name, Share, Truth

GIVEN = "given"
"""The mixer of shares that a recipe spells out."""
BETWEEN = "linear", "step"
FORMS = (
    "write a mixer's name such as `equal`, shares such as `{books: 0.7, web: 0.3}`, `{name: MIXER, options: {...}}` or "
    "`{between: linear, knots: [...]}`"
)
SUM_TOLERANCE = 1e-6


def checked_shares(given: Any) -> dict[str, float]:
    """The same shares, if they are numbers from 0 to 1 and 1 in all. Raises ValueError."""
    if not isinstance(given, Mapping):
        raise ValueError(f"shares are {shown(given)}; write a share for each source, such as {{books: 0.7, web: 0.3}}")
    for name, share in given.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not math.isfinite(share):
            raise ValueError(f"the share of {name} is {shown(share)}; it must be a number from 0 to 1")
        if share < 0:
            raise ValueError(f"the share of {name} is {share}; it must be at least 0")
    total = math.fsum(given.values())
    if total == 0:
        raise ValueError("all shares are 0; give one source a share at least" if given else "no shares are given")
    if abs(total - 1) > SUM_TOLERANCE:
        percent = "; write 0.5 for 50 %" if abs(total - 100) < 1 else ""
        told = " + ".join(f"{name} {share:g}" for name, share in given.items())
        raise ValueError(f"the shares sum to {total:.10g} ({told}); they must sum to 1{percent}")
    return {str(name): float(share) for name, share in given.items()}


Shares = Annotated[dict[Name, Share], BeforeValidator(checked_shares)]
"""Source -> share of the tokens, 1 in all."""


class MixerRecipe(Frozen):
    """A mixer and its options; shares that are spelled out are those of the mixer `given`."""

    name: Name
    """Mixer: docs/mixing.md lists them."""
    options: dict[str, Any] = {}
    """The mixer's own options."""


def _as_mixer(given: Any, key: str) -> Any:
    """A name, shares, or a mixer with options, as the last of these. Raises ValueError for what is none of them."""
    if isinstance(given, MixerRecipe):
        return given
    if isinstance(given, str):
        return {"name": given}
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"{key} is {shown(given)}; {FORMS}")
    if isinstance(given.get("name"), str) or "options" in given:
        _check_keys(given, MixerRecipe, key)
        return {"options": {}, **given}
    return {"name": GIVEN, "options": {"shares": checked_shares(given)}}


def _knot_shares(given: Any) -> Any:
    return _as_mixer(given, "shares")


def _check_keys(given: Mapping[Any, Any], model: type[Frozen], key: str) -> None:
    for name in given:
        if name not in model.model_fields:
            known = ", ".join(model.model_fields)
            raise ValueError(f"unknown key {key}.{name}{nearest(name, model.model_fields)}; known here: {known}")


class KnotRecipe(Frozen):
    """Shares at a point of the run."""

    at: Share
    """Progress through the run's tokens, 0 at the start and 1 at the end."""
    shares: Annotated[MixerRecipe, BeforeValidator(_knot_shares)]
    """A mixer that does not learn, or shares."""


def _ascending(knots: tuple[KnotRecipe, ...]) -> tuple[KnotRecipe, ...]:
    for earlier, later in pairwise(knots):
        if later.at <= earlier.at:
            raise ValueError(
                f"a knot at {later.at:g} follows one at {earlier.at:g}; each must come later than the one before"
            )
    return knots


class ScheduleRecipe(Frozen):
    """Shares that change over the run."""

    between: Literal["linear", "step"]
    """`linear` moves from knot to knot, `step` keeps a knot's shares until the next."""
    knots: Annotated[tuple[KnotRecipe, ...], Field(min_length=1), AfterValidator(_ascending)]
    """Shares at points of the run, in ascending order; before the first and after the last, shares are theirs."""
    static: Annotated[Truth, ADDED] = False
    """Give every source as much in all, and the same share at every point: what a schedule is compared with."""


def _normal(given: Any) -> Any:
    """A mixture in one of its two full forms. Raises ValueError for what is neither."""
    if isinstance(given, ScheduleRecipe):
        return given
    if isinstance(given, Mapping) and ("knots" in given or isinstance(given.get("between"), str)):
        _check_keys(given, ScheduleRecipe, "mixture")
        return dict(given)
    return _as_mixer(given, "mixture")


def _form(given: Any) -> str:
    has_knots = isinstance(given, ScheduleRecipe) or (isinstance(given, Mapping) and "name" not in given)
    return "ScheduleRecipe" if has_knots else "MixerRecipe"


MixtureRecipe = Annotated[
    Annotated[MixerRecipe, Tag("MixerRecipe")] | Annotated[ScheduleRecipe, Tag("ScheduleRecipe")],
    Discriminator(_form),
    BeforeValidator(_normal),
]
"""A mixture: `MixerRecipe` or `ScheduleRecipe`."""
NATURAL = MixerRecipe(name="natural")
"""The mixture of a recipe that gives none: every source as large as it is."""
