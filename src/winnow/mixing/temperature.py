"""Shares of the sources' sizes, moved towards equal ones: w proportional to U^(1/T)."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from winnow.mixing.caps import capped_shares
from winnow.mixing.registry import mixer
from winnow.mixing.sources import SourceTokens, as_shares
from winnow.recipe import Frozen, Number, Positive


class TemperatureOptions(Frozen):
    """Options of `temperature`."""

    temperature: Annotated[Number, Field(ge=1.0, le=1e6)] = 2.0
    """1 is `natural`; the higher, the nearer to `equal`."""
    max_epochs: Positive | None = None
    """Most times that a source is read; what is cut goes to the others. Null for no limit."""


@mixer("temperature", summary="Shares of the sources' unique tokens, to the power of 1/T.", options=TemperatureOptions)
def shares(sources: Sequence[SourceTokens], *, tokens: int, options: TemperatureOptions) -> dict[str, float]:
    """Shares of U^(1/T), capped where asked. Raises RecipeError where the caps leave too little."""
    sizes = np.log([source.tokens for source in sources]) / options.temperature
    uncapped = as_shares(np.exp(sizes - sizes.max()), [source.name for source in sources])
    return capped_shares(uncapped, sources, tokens=tokens, max_epochs=options.max_epochs)
