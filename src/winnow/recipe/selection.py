"""Section `selection`: which parts of the pool are compared."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from winnow.recipe.representations import RepresentationRecipe, _kind_from_name
from winnow.recipe.values import Fraction, Frozen, Name, Truth


class ArmRecipe(Frozen):
    """One way to choose rows."""

    selector: Name
    """Name of a selector or control; `winnow select --list` shows them."""
    name: Name | None = None
    """Name of the arm without its fraction; derived where it is not given."""
    target: Truth = False
    """Select towards `pool.target` instead of the pool; selectors that cannot do without a target do so anyway."""
    representation: Name | None = None
    """What it sees of the examples, one of `representations`; the selector's own default where it is not given."""
    score: Name | None = None
    """The number per example that it goes by, one of `representations`."""
    of: Name | None = None
    """For a control: the arm (without fraction) that it is the control of."""
    options: dict[str, Any] = {}
    """The selector's own options."""
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] | None = None
    """Fractions of this arm alone."""


class SelectionRecipe(Frozen):
    """Which parts of the pool are compared."""

    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1,)
    """Selected examples over pool examples."""
    arms: tuple[ArmRecipe | str, ...] = ("full", "random", "equal_shares", "herding")
    """Arms; a bare name stands for `{selector: name}`."""
    representations: Annotated[
        dict[Name, Annotated[RepresentationRecipe, Field(discriminator="kind")]], BeforeValidator(_kind_from_name)
    ] = {}
    """What selectors may see, by name; `hidden_states`, `gradients`, `loss`, `ifd`, `length` and `ngrams` are there
    with their defaults."""
    sized_by: Literal["examples", "tokens"] = "examples"
    """What a fraction is a fraction of; controls match their arm's examples either way."""
    controls: Truth = True
    """Add the arms that a fair study needs where they are missing: full, random, equal shares by source, and for each
    targeted selector a source-matched random and random plus the target sample."""
