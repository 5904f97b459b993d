"""The same number of tokens from every source: the control that learned shares have to beat.

Jiang et al. 2024 (Aioli, arXiv 2411.05735): of the learned methods tried there none beats it reliably.
"""

from collections.abc import Sequence

from winnow.mixing.registry import mixer
from winnow.mixing.sources import SourceTokens
from winnow.recipe.options import NoOptions


@mixer("equal", summary="The same share for every source.")
def shares(sources: Sequence[SourceTokens], *, tokens: int, options: NoOptions) -> dict[str, float]:
    """1 / number of sources each; small sources are so repeated more often than large ones."""
    return {source.name: 1.0 / len(sources) for source in sources}
