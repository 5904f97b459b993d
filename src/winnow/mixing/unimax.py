"""Equal shares, but none read too often: what a small source cannot give, the others do, alike.

Chung et al. 2023 (UniMax, arXiv 2304.09151); best of nine baselines in Held et al. 2025 (arXiv 2501.11747).
"""

from collections.abc import Sequence

from winnow.mixing.caps import capped_shares
from winnow.mixing.registry import mixer
from winnow.mixing.sources import SourceTokens
from winnow.recipe import Frozen, Positive


class UniMaxOptions(Frozen):
    """Options of `unimax`."""

    max_epochs: Positive = 4
    """Most times that a source is read."""


@mixer("unimax", summary="Equal shares, each source read max_epochs times at most.", options=UniMaxOptions)
def shares(sources: Sequence[SourceTokens], *, tokens: int, options: UniMaxOptions) -> dict[str, float]:
    """Equal shares under caps. Raises RecipeError where the caps leave too little."""
    equal = {source.name: 1.0 for source in sources}
    return capped_shares(equal, sources, tokens=tokens, max_epochs=options.max_epochs)
