"""Shares that are learned: the small runs they are learned from, what those scored, and what comes of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Proxy:
    """A small run at shares of its own."""

    name: str
    shares: Mapping[str, float]
    """By source, 1 in all."""
    tokens_fraction: float
    """Its tokens, over those of the run that the shares are for."""
    match_repeats: bool = True
    """Whether each source is cut to the same fraction, so that the proxy repeats it as often as the run will."""


@dataclass(frozen=True, slots=True)
class ProxyReading:
    """What a proxy scored on text held out for learning shares."""

    proxy: Proxy
    losses: Mapping[str, float]
    """Set -> nats per byte."""
    log_probabilities: Mapping[str, NDArray[np.floating[Any]]] | None = None
    """Set -> [targets]: log p of each target token, the same tokens in the same order for every proxy."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Learned shares, and what is predicted of them. Losses are nats per byte, the goal's weighted mean over sets."""

    shares: Mapping[str, float]
    goal: Mapping[str, float]
    """Set -> its weight in the mean that was minimised, 1 in all."""
    predicted_loss: float
    predicted_gain: float
    """Predicted loss at equal shares minus that at the learned ones: above 0 the learned ones are better."""
    gain_interval: tuple[float, float] | None
    """95 % of the gain, by bootstrap; what it covers is in `interval_over`."""
    interval_over: str
    rank_correlation: float | None = None
    """Spearman's, of the loss of each proxy as predicted by the others with the loss it had."""
    beyond_proxies: tuple[str, ...] = ()
    """Sources whose learned share is no smaller or no larger than in any proxy: there the fit extrapolates."""
    capped: tuple[str, ...] = ()
    """Sources that may not be read more often."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader has to know before a run: whether anything was predicted, and whether it can be believed."""
        found = []
        if self.gain_interval is not None and self.gain_interval[0] <= 0:
            low, high = self.gain_interval
            found.append(
                f"no gain over equal shares is predicted: {self.predicted_gain:+.4f} nats per byte, 95 % interval "
                f"{low:+.4f} to {high:+.4f} over {self.interval_over}"
            )
        if self.beyond_proxies:
            found.append(
                f"the shares of {', '.join(self.beyond_proxies)} lie at or beyond the edge of the proxies' shares; the "
                "prediction extrapolates there"
            )
        if self.capped:
            found.append(f"{', '.join(self.capped)}: held to the most epochs allowed")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self) | {"sentences": list(self.sentences)}
