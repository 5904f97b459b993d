"""How often a run reads each source, and what repeated text is worth.

for use in uses_of(schedule, sources, tokens=10**9): print(use.source, use.epochs, use.effective_tokens)
warnings(uses)                 # ["books is read 5.2 times, for the fifth time from 77 % of the run; ...", ...]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from winnow.mixing.schedule import Schedule, accumulated
from winnow.mixing.sources import SourceTokens

DECAY = 15.39
"""R*: repeats after which one more is worth 1/e of new text (Muennighoff et al. 2023, arXiv 2305.16264)."""
MANY_EPOCHS, TOO_MANY_EPOCHS = 4, 16
"""Up to 4, repeated text is worth about as much as new text; beyond 16, hardly anything (same source)."""
POINTS = 1001
"""Points of a run at which it is looked for when a source has been read through."""


@dataclass(frozen=True, slots=True)
class SourceUse:
    """What a run takes of a source."""

    source: str
    share: float
    """Of all tokens of the run."""
    tokens: float
    unique_tokens: int
    epochs: float
    effective_tokens: float
    """Unique tokens that would be worth as much."""
    many_from: float | None
    """Progress in [0, 1] from which it is read more than MANY_EPOCHS times; None where it never is."""


def effective_tokens(unique: float, epochs: float) -> float:
    """U + U R* (1 - exp(-R / R*)) with R = epochs - 1 repeats; below one epoch, what was read."""
    repeats = max(0.0, epochs - 1.0)
    return unique * (min(epochs, 1.0) + DECAY * -math.expm1(-repeats / DECAY))


def uses_of(schedule: Schedule, sources: Sequence[SourceTokens], *, tokens: int) -> list[SourceUse]:
    """What a run of `tokens` takes of each source, in their order."""
    progress = np.linspace(0.0, 1.0, POINTS)
    taken = accumulated(schedule, [source.name for source in sources], progress * tokens, tokens)
    found = []
    for source, read in zip(sources, taken.T, strict=True):
        epochs = read / source.tokens
        beyond = np.flatnonzero(epochs > MANY_EPOCHS + 1e-9)
        found.append(
            SourceUse(
                source.name, float(read[-1] / tokens), float(read[-1]), source.tokens, float(epochs[-1]),
                effective_tokens(source.tokens, float(epochs[-1])), float(progress[beyond[0]]) if len(beyond) else None,
            )
        )  # fmt: skip
    return found


def warnings(uses: Sequence[SourceUse]) -> list[str]:
    """A sentence for each source that is read more often than text keeps its worth."""
    return [_warning(use) for use in uses if use.epochs > MANY_EPOCHS + 1e-9]


def _warning(use: SourceUse) -> str:
    told = (
        f"source {use.source} is read {use.epochs:.1f} times, more than {MANY_EPOCHS} from {use.many_from:.0%} of the "
        f"run: its {use.tokens:,.0f} tokens are worth about {use.effective_tokens:,.0f} of new text"
    )
    if use.epochs > TOO_MANY_EPOCHS:
        return f"{told}, and more than {TOO_MANY_EPOCHS} readings hardly add anything; lower its share or add text"
    return f"{told}; a lower share, or more text, may do better"
