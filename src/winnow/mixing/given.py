"""Shares that somebody chose: `{books: 0.5, web: 0.3, reference: 0.2}`."""

from collections.abc import Sequence

from winnow.errors import RecipeError, nearest
from winnow.mixing.registry import mixer
from winnow.mixing.sources import SourceTokens
from winnow.recipe import Frozen
from winnow.recipe.mixture import Shares


class GivenOptions(Frozen):
    """Options of `given`."""

    shares: Shares
    """Source -> its share of the tokens, 1 in all; sources that are not named get none."""


@mixer("given", summary="The shares that the recipe gives.", options=GivenOptions)
def shares(sources: Sequence[SourceTokens], *, tokens: int, options: GivenOptions) -> dict[str, float]:
    """The given shares, 0 for sources not named. Raises RecipeError for a source that is not there."""
    names = [source.name for source in sources]
    for name in options.shares:
        if name not in names:
            raise RecipeError(f"the shares name source {name!r}{nearest(name, names)}; there is {', '.join(names)}")
    total = sum(options.shares.values())
    return {name: options.shares.get(name, 0.0) / total for name in names}
