"""Mixers by name: what gives each source its share of a run's tokens.

A mixer is one file, with its options and a function:

    @mixer("by_bytes", summary="Shares of the sources' bytes.")
    def shares(sources, *, tokens, options):
        return {source.name: source.bytes / sum(each.bytes for each in sources) for source in sources}

A mixer that learns its shares says which proxies it wants to be trained, and is given what they scored on text held out
for that; it sees no evaluation set:

    @mixer("mixmin", summary="...", options=MixMinOptions, proxies=proxies)
    def shares(sources, *, tokens, readings, options):
        return Learned(...)

Other packages join by an entry point in the group `winnow.mixers` that names the module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from winnow.mixing.learned import Learned, Proxy
from winnow.mixing.sources import SourceTokens
from winnow.recipe import Frozen
from winnow.recipe.options import NoOptions, checked_options
from winnow.registry import Registry

GROUP = "winnow.mixers"
BUILT_IN = "given", "equal", "natural", "temperature", "unimax", "mixmin", "regression"


class SharesFunction(Protocol):
    """What a mixer is; one that learns takes `readings: Sequence[ProxyReading]`, too, and gives `Learned`."""

    def __call__(
        self, sources: Sequence[SourceTokens], *, tokens: int, options: Any, **learned_from: Any
    ) -> Mapping[str, float] | Learned:
        """The share of every source, by name: none below 0, and 1 in all. The order of the sources does not matter.

        `tokens` is what a run trains on in all. Raises RecipeError where the sources hold too little for the options.
        """
        ...


class ProxiesFunction(Protocol):
    """What a learned mixer has to see first."""

    def __call__(self, sources: Sequence[str], *, options: Any) -> Sequence[Proxy]:
        """Small runs, each at shares of its own. Raises RecipeError where they are too few for what is fitted."""
        ...


@dataclass(frozen=True, slots=True)
class Mixer:
    """A registered mixer."""

    name: str
    summary: str
    options: type[Frozen]
    shares: Callable[..., Mapping[str, float] | Learned]
    proxies: ProxiesFunction | None
    """None for a mixer that needs no training to tell its shares."""

    @property
    def is_learned(self) -> bool:
        """Whether runs have to be trained before its shares are known."""
        return self.proxies is not None


Function = TypeVar("Function", bound=Callable[..., Mapping[str, float] | Learned])

REGISTRY = Registry[Mixer]("mixer", "mixers", group=GROUP, package="winnow.mixing", built_in=BUILT_IN)


def mixer(
    name: str, *, summary: str, options: type[Frozen] = NoOptions, proxies: ProxiesFunction | None = None
) -> Callable[[Function], Function]:
    """Register the decorated function as a mixer; `Mixer` says what the arguments mean."""

    def register(function: Function) -> Function:
        REGISTRY.add(name, Mixer(name, summary, options, function, proxies))
        return function

    return register


def find_mixer(name: str) -> Mixer:
    """The mixer of this name. Raises RecipeError."""
    return REGISTRY.find(name)


def mixers() -> dict[str, Mixer]:
    """All mixers by name."""
    return REGISTRY.all()


def check(name: str, options: Mapping[str, Any]) -> Frozen:
    """The checked options of a mixer. Raises RecipeError with a line for each mistake."""
    write = f"`{{name: {name}, options: {{KEY: ...}}}}`"
    return checked_options(f"mixer {name}", find_mixer(name).options, options, write=write)
