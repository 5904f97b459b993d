"""Every source as large as it is: each token of the pool is read equally often."""

from collections.abc import Sequence

from winnow.mixing.registry import mixer
from winnow.mixing.sources import SourceTokens
from winnow.recipe.options import NoOptions


@mixer("natural", summary="Shares of the sources' unique tokens.")
def shares(sources: Sequence[SourceTokens], *, tokens: int, options: NoOptions) -> dict[str, float]:
    """Unique tokens of each source over those of all."""
    total = sum(source.tokens for source in sources)
    return {source.name: source.tokens / total for source in sources}
