"""From what a recipe says of a mixture to shares over a run.

mixture_mistakes(mixture, ["books", "web"])                   # a line each, before anything is spent
proxies_of(mixture, ["books", "web"])                         # small runs that have to be trained first
resolved(mixture, sources, tokens=2_000_000).schedule         # shares at every point of the run
"""

from collections.abc import Sequence
from dataclasses import dataclass

from winnow.errors import RecipeError, nearest
from winnow.mixing.given import GivenOptions
from winnow.mixing.learned import Learned, Proxy, ProxyReading
from winnow.mixing.learning import check_readings
from winnow.mixing.registry import Mixer, check, find_mixer
from winnow.mixing.schedule import Knot, Schedule, time_averages
from winnow.mixing.sources import SourceTokens, check_sources
from winnow.recipe import Frozen
from winnow.recipe.mixture import MixerRecipe, MixtureRecipe, ScheduleRecipe


@dataclass(frozen=True, slots=True)
class Resolved:
    """A mixture as a run follows it."""

    schedule: Schedule
    """Every knot names every source."""
    learned: Learned | None = None
    """How the shares were learned, where they were."""


def mixture_mistakes(mixture: MixtureRecipe, sources: Sequence[str]) -> list[str]:
    """A line for each mistake: unknown mixers, options and sources, a mixer in a knot that learns."""
    return [mistake for place, asked in _mixers_in(mixture) for mistake in _mistakes(place, asked, mixture, sources)]


def mixer_options(mixture: MixtureRecipe) -> Frozen | None:
    """The checked options of its mixer; None where shares change by knots. Raises RecipeError."""
    return _part(mixture)[1] if isinstance(mixture, MixerRecipe) else None


def is_learned(mixture: MixtureRecipe) -> bool:
    """Whether runs have to be trained before its shares are known. Raises RecipeError for an unknown mixer."""
    return isinstance(mixture, MixerRecipe) and find_mixer(mixture.name).is_learned


def goes_by_length(mixture: MixtureRecipe) -> bool:
    """Whether a shorter run has other shares than the beginning of a longer one: schedules, caps and learned shares."""
    if isinstance(mixture, ScheduleRecipe):
        return not mixture.static
    return is_learned(mixture) or getattr(mixer_options(mixture), "max_epochs", None) is not None


def proxies_of(mixture: MixtureRecipe, sources: Sequence[str]) -> list[Proxy]:
    """The small runs that its shares are learned from; none where nothing is learned. Raises RecipeError."""
    if isinstance(mixture, ScheduleRecipe):
        return []
    part, options = _part(mixture)
    return list(part.proxies(sources, options=options)) if part.proxies is not None else []


def resolved(
    mixture: MixtureRecipe, sources: Sequence[SourceTokens], *, tokens: int, readings: Sequence[ProxyReading] = ()
) -> Resolved:
    """The shares of a run of `tokens`; learned ones need what their proxies scored.

    Raises RecipeError where the sources hold too little, DataError where one is empty or a proxy came to nothing.
    """
    if isinstance(mixture, ScheduleRecipe):
        knots = [Knot(knot.at, dict(_shares(knot.shares, sources, tokens))) for knot in mixture.knots]
        schedule = Schedule(tuple(knots), mixture.between)
        return Resolved(
            Schedule.constant(time_averages(schedule, [source.name for source in sources]))
            if mixture.static
            else schedule
        )
    part, options = _part(mixture)
    if not part.is_learned:
        return Resolved(Schedule.constant(_shares(mixture, sources, tokens)))
    check_sources(sources)
    check_readings(readings)
    learned = part.shares(sources, tokens=tokens, readings=readings, options=options)
    assert isinstance(learned, Learned), f"mixer {mixture.name} has proxies and gives no Learned"
    return Resolved(Schedule.constant(dict(learned.shares)), learned)


def _shares(asked: MixerRecipe, sources: Sequence[SourceTokens], tokens: int) -> dict[str, float]:
    part, options = _part(asked)
    check_sources(sources)
    shares = part.shares(sources, tokens=tokens, options=options)
    assert not isinstance(shares, Learned)
    return {source.name: shares[source.name] for source in sources}


def _part(asked: MixerRecipe) -> tuple[Mixer, Frozen]:
    return find_mixer(asked.name), check(asked.name, asked.options)


def _mixers_in(mixture: MixtureRecipe) -> list[tuple[str, MixerRecipe]]:
    if isinstance(mixture, MixerRecipe):
        return [("mixture", mixture)]
    return [(f"mixture.knots[{number}].shares", knot.shares) for number, knot in enumerate(mixture.knots)]


def _mistakes(place: str, asked: MixerRecipe, mixture: MixtureRecipe, sources: Sequence[str]) -> list[str]:
    """Of one mixer: a line each."""
    try:
        part, options = _part(asked)
    except RecipeError as error:
        return [f"{place}: {mistake}" for mistake in error.mistakes]
    if part.is_learned and isinstance(mixture, ScheduleRecipe):
        return [
            f"{place} is {asked.name}, which learns its shares from runs at constant ones; write shares here, or "
            f"`mixture: {asked.name}` without knots"
        ]
    if part.proxies is not None:
        return _of_learning(place, part, options, sources)
    return [
        f"{place} names source {name!r}{nearest(name, sources)}; pool.sources has {', '.join(sources)}"
        for name in (options.shares if isinstance(options, GivenOptions) else {})
        if name not in sources
    ]


def _of_learning(place: str, part: Mixer, options: Frozen, sources: Sequence[str]) -> list[str]:
    if len(sources) < 2:
        return [f"{place} is {part.name}, which learns the shares of several sources; pool.sources has one"]
    assert part.proxies is not None
    try:
        part.proxies(sources, options=options)
    except RecipeError as error:
        return [f"{place}: {mistake}" for mistake in error.mistakes]
    return []
