"""Shares held below caps: what is cut from a source goes to the others, in proportion (water-filling).

The result is the point nearest to the given shares, by Kullback-Leibler divergence, of those that keep the caps.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from winnow.errors import RecipeError
from winnow.mixing.sources import FloatArray, SourceTokens, as_array, as_shares

BINDING = 1e-9
"""Shares as near as this to their cap are at it."""


def epoch_caps(sources: Sequence[SourceTokens], *, tokens: int, max_epochs: float | None) -> FloatArray:
    """[sources]: the largest shares of `tokens` that read no source more than `max_epochs` times; inf where unlimited.

    Raises RecipeError where they sum to less than 1.
    """
    if max_epochs is None:
        return np.full(len(sources), np.inf)
    check_epochs(sources, tokens, max_epochs)
    return np.array([max_epochs * source.tokens / tokens for source in sources])


def capped_shares(
    shares: Mapping[str, float], sources: Sequence[SourceTokens], *, tokens: int, max_epochs: float | None
) -> dict[str, float]:
    """Shares of every source, each read `max_epochs` times at most; unlimited where that is None.

    Raises RecipeError where the sources with a share hold too little for that, naming what is there and wanted.
    """
    names = [source.name for source in sources]
    values = as_array(shares, names)
    if max_epochs is not None:
        check_epochs([each for each, value in zip(sources, values, strict=True) if value > 0], tokens, max_epochs)
    return as_shares(water_fill(values, epoch_caps(sources, tokens=tokens, max_epochs=max_epochs)), names)


def check_epochs(sources: Sequence[SourceTokens], tokens: int, max_epochs: float) -> None:
    """Raises RecipeError where `max_epochs` of these sources are fewer tokens than the run's."""
    there = sum(source.tokens for source in sources)
    if max_epochs * there < tokens:
        raise RecipeError(
            f"the run wants {tokens:,} tokens, but {max_epochs:g} epochs of the {there:,} unique tokens of "
            f"{', '.join(source.name for source in sources)} are {int(max_epochs * there):,}; raise max_epochs to "
            f"{-(-tokens // there)}, lower the budget or add text"
        )


def water_fill(shares: FloatArray, caps: FloatArray) -> FloatArray:
    """[sources]: min(cap, level x share) with the level at which they sum to 1; a share of 0 stays 0.

    The caps of the sources with a share have to sum to 1 at least, but for rounding.
    """
    held, level = np.zeros(len(shares), dtype=bool), 1.0
    while shares[~held].sum() > 0:
        level = (1.0 - caps[held].sum()) / shares[~held].sum()
        over = ~held & (level * shares > caps)
        if not over.any():
            break
        held |= over
    return np.where(held, caps, level * shares)


def at_caps(shares: FloatArray, caps: FloatArray, names: Sequence[str]) -> tuple[str, ...]:
    """Names of the sources whose share is all that their cap allows."""
    return tuple(name for name, share, cap in zip(names, shares, caps, strict=True) if share >= cap - BINDING)
